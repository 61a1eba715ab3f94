/**
 * The lines of sudoers for the commands of a gate that run as root. Each allows one call of the gate with fixed
 * arguments and no wildcard, since those match across words: the values come on stdin and root's half of the gate
 * checks them again before anything runs. '' where no command needs root.
 */

export function sudoersLines(user: string, gateFile: string, asRoot: readonly string[]): string {
  if (asRoot.length === 0) return '';
  // `end` stops what an allowed command has left running, and nothing that does not bear the call's tag.
  const lines = [...asRoot, 'end'].map(
    (name) => `${user} ALL=(root) NOPASSWD: ${gateFile} as-root ${name}\n`,
  );
  return `# The opsagent gate: ${user} may run exactly these as root, with no other argument.\n${lines.join('')}`;
}
