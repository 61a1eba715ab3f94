/**
 * The words `opsagent people` and `opsagent approvals` of the command line; what they do is loaded when they are used.
 */
import { type Command, Option } from 'commander';

export function declarePeople(opsagent: Command): void {
  const json = () => new Option('--json', 'print one JSON object on stdout');
  const people = opsagent
    .command('people')
    .description('name the people who use the console, each with a token of their own');
  people
    .command('list', { isDefault: true })
    .description('who there is, since when, and when they were last here')
    .addOption(json())
    .action(async (options) => (await import('./people.ts')).list(options));
  people
    .command('add')
    .argument('<name>', 'their name: lower-case letters, digits, ".", "_" and "-"')
    .description('make a token for somebody and print, this once, the link that signs them in')
    .addOption(json())
    .action(async (name: string, options) => (await import('./people.ts')).add(name, options));
  people
    .command('remove')
    .argument('<name>', 'their name')
    .description('take the token back; open pages are signed out at once')
    .action(async (name: string) => (await import('./people.ts')).remove(name));

  const tokenFile = () =>
    new Option('--token-file <file>', "whose token it is, instead of the owner's (or OPSAGENT_TOKEN)");
  const approvals = opsagent
    .command('approvals')
    .description('see and decide the open approvals of the running instance');
  approvals
    .command('list', { isDefault: true })
    .description('those that you may decide or asked for; all of them for admins')
    .addOption(tokenFile())
    .addOption(json())
    .action(async (options) => (await import('./approvals.ts')).listApprovals(options));
  approvals
    .command('show')
    .argument('<id>', 'the id on the card')
    .description('all that its card shows, from the store')
    .addOption(tokenFile())
    .addOption(json())
    .action(async (id: string, options) => (await import('./approvals.ts')).showApproval(id, options));
  for (const verdict of ['approve', 'deny'] as const) {
    const decide = approvals
      .command(verdict)
      .argument('<id>', 'the id on the card')
      .description(
        verdict === 'approve'
          ? 'show all that the card shows, and approve it once confirmed'
          : 'show all that the card shows, and deny it',
      )
      .addOption(tokenFile())
      .addOption(json())
      .option('--yes', 'send it without asking');
    if (verdict === 'deny') decide.option('--reason <text>', 'shown in the thread and read by the agent');
    decide.action(async (id: string, options) => {
      process.exitCode = await (await import('./approvals.ts')).decideApproval(id, verdict, options);
    });
  }
}
