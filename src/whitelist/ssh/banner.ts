/**
 * What Tailscale SSH says in the login banner when the tailnet's policy does not simply let us in. It would wait for
 * a person at a browser; a bot says so at once.
 */

/** The problem in a banner, or undefined for one that only greets. The link in it is never repeated: it is a login. */
export function bannerProblem(banner: string, where: string): string | undefined {
  if (/additional check|to authenticate, visit/i.test(banner)) {
    return (
      `the tailnet's policy wants a person to confirm the login on ${where} in a browser (check mode), which a bot ` +
      'cannot do: change "action": "check" to "accept" in the ssh rule of the tailnet policy for the bot\'s tag'
    );
  }
  if (/tailnet policy does not permit/i.test(banner)) {
    return (
      `the tailnet's policy does not permit this login on ${where}: ` +
      "add an ssh rule for the bot's tag, this host and this user to the tailnet policy"
    );
  }
  return undefined;
}
