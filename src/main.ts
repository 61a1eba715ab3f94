/**
 * The command line: what each word does is in src/cli, loaded only when that word is used.
 */
import { pathToFileURL } from 'node:url';
import { Command, CommanderError, Option } from 'commander';
import { exitCodes } from './cli/exit-codes.ts';
import { examples } from './cli/help.ts';
import { declarePeople } from './cli/people-words.ts';
import { version } from './core/version.ts';

/** Runs one command line (without node and script) and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader that has seen enough (`| head`) is no failure; the whitelist server outlives its reader on purpose.
  if (argv[0] !== 'mcp') process.stdout.on('error', () => process.exit());
  try {
    await program().parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
      return;
    }
    const { report } = await import('./cli/report.ts');
    process.exitCode = report(error);
  }
}

function program(): Command {
  const json = () => new Option('--json', 'print one JSON object on stdout');
  const opsagent = new Command('opsagent')
    .description('Ask your servers from chat, a local page or this terminal; only whitelisted commands run.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(opsagent --help lists everything)')
    .addHelpText('after', examples);

  opsagent
    .command('start')
    .description('run everything on this machine: console, chats that have tokens, worker, whitelist server')
    .action(async () => (await import('./cli/start.ts')).start('all'));
  opsagent
    .command('bot')
    .description('run only the half that listens: console and chats (needs REDIS_URL)')
    .action(async () => (await import('./cli/start.ts')).start('bot'));
  opsagent
    .command('worker')
    .description('run only the half that thinks and posts (needs REDIS_URL)')
    .action(async () => (await import('./cli/start.ts')).start('worker'));
  opsagent
    .command('mcp')
    .description('serve the whitelisted commands to any MCP client over stdin and stdout')
    .option('--http', 'over Streamable HTTP instead, see OPSAGENT_MCP_*')
    .action(async (options) => (await import('./cli/mcp.ts')).mcp(options));

  opsagent
    .command('ask')
    .argument('<text...>', 'the question, in your own words')
    .description('ask the running instance; the answer on stdout, the trace on stderr')
    .option('--thread <id>', 'go on in this thread')
    .option('--no-wait', 'print the run id and return')
    .option('--wait-approval', 'keep waiting when an approval is needed, instead of exit code 4')
    .addOption(json())
    .action(async (text: string[], options) => {
      process.exitCode = await (await import('./cli/ask.ts')).ask(text.join(' '), options);
    });
  opsagent
    .command('run')
    .argument('<command>', 'a whitelisted command, see `opsagent commands`')
    .argument('[key=value...]', 'its parameters')
    .description('run one whitelisted command on the running instance, with no model in between')
    .option(
      '--host <name>',
      'where: a name, several with commas, @tag, @a&b or all; needed when there are several',
    )
    .option('--thread <id>', 'in this thread')
    .option('--no-wait', 'print the run id and return')
    .option('--wait-approval', 'keep waiting when an approval is needed, instead of exit code 4')
    .addOption(json())
    .action(async (command: string, values: string[], options) => {
      process.exitCode = await (await import('./cli/run.ts')).run(command, values, options);
    });

  const commands = opsagent
    .command('commands')
    .description('list the whitelisted commands, check their file, or show what one would send');
  commands
    .command('list', { isDefault: true })
    .argument('[category]', 'only these')
    .description('list the whitelisted commands')
    .addOption(json())
    .action(async (category: string | undefined, options) =>
      (await import('./cli/commands.ts')).listCommands(category, options),
    );
  commands
    .command('lint')
    .argument('[file]', 'a commands.yaml; the configured one if none is named')
    .description('every problem of the file, or the risk of each command and why; exit code 2 when refused')
    .addOption(json())
    .action(async (file: string | undefined, options) => {
      process.exitCode = (await import('./cli/commands-lint.ts')).lintCommands(file, options);
    });
  commands
    .command('render')
    .argument('<command>', 'a whitelisted command')
    .argument('[key=value...]', 'its parameters; one with several values is given several times')
    .description('show exactly what would be sent to a host, without running anything')
    .option('--host <name>', 'where; needed when there are several hosts')
    .addOption(json())
    .action(async (name: string, values: string[], options) => {
      process.exitCode = (await import('./cli/commands-render.ts')).renderCommand(name, values, options);
    });

  const hosts = opsagent
    .command('hosts')
    .description('list and check the hosts, find new ones in the tailnet, or pin the key of one');
  hosts
    .command('list', { isDefault: true })
    .description('list the hosts')
    .addOption(json())
    .action(async (options) => (await import('./cli/hosts.ts')).listHosts(options));
  hosts
    .command('check')
    .argument('[host...]', 'names, @tag, @tag&tag or all; every host if none is named')
    .description('tailnet, way, host key and login of each host; exit code 0 only if all are fine')
    .addOption(json())
    .action(async (words: string[], options) => {
      process.exitCode = await (await import('./cli/hosts-check.ts')).checkHosts(words, options);
    });
  hosts
    .command('discover')
    .description('propose entries for config/hosts.yaml from the tailnet; adds nothing')
    .option('--tag <tag>', 'only nodes with this tag, such as tag:web')
    .option('--user <name>', 'login name to propose', 'ops')
    .addOption(json())
    .action(async (options) => {
      process.exitCode = await (await import('./cli/hosts-discover.ts')).discoverHosts(options);
    });
  hosts
    .command('trust')
    .argument('<name>', 'a host of config/hosts.yaml, or `remote` for REMOTE_HOST')
    .description('show a host key and, if you agree, add it to the known_hosts file')
    .option('--fingerprint <SHA256:…>', 'agree only to this key, without asking')
    .action(async (name: string, options) => {
      process.exitCode = await (await import('./cli/hosts-trust.ts')).trust(name, options);
    });

  const gate = opsagent.command('gate').description("a host's own gate: its login takes no shell text");
  const gatePath = () =>
    new Option('--path <file>', 'where it is on the host; default /usr/local/lib/opsagent/gate');
  gate
    .command('print')
    .argument('<host>', 'a host of config/hosts.yaml')
    .description('print the script that its authorized_keys names, with its own copy of the commands')
    .addOption(gatePath())
    .action(async (host: string, options) => (await import('./cli/gate.ts')).printGate(host, options));
  gate
    .command('install')
    .argument('<host>', 'a host of config/hosts.yaml')
    .description('print what its administrator runs there to install it; nothing is sent or run from here')
    .option('--from <addresses>', 'where the key is taken from, as sshd lists it; default the tailnet')
    .option('--public-key <file>', "the bot's public key, where the host's key file does not tell it")
    .addOption(gatePath())
    .action(async (host: string, options) => (await import('./cli/gate.ts')).printInstall(host, options));

  const policy = opsagent.command('policy').description('check policy.yaml, or ask it what it would say');
  policy
    .command('lint')
    .argument('[file]', 'another file than the configured one')
    .description('print every problem with its line (exit code 2) and what to look at again')
    .addOption(json())
    .action(async (file: string | undefined, options) => {
      process.exitCode = await (await import('./cli/policy.ts')).lint(file, options);
    });
  policy
    .command('explain')
    .argument('<words...>', 'run <command> [key=value...]')
    .description(
      'say whether somebody may run a command: allowed 0, asks people 4, refused 3; nothing is run',
    )
    .requiredOption('--as <account>', 'who asks, such as slack:U0123ABCD or console:owner')
    .option('--group <id...>', 'platform groups they are in, such as slack:S0123ABCD')
    .option('--channel <id>', 'where they ask')
    .option('--host <name>', 'on which host; needed when there are several')
    .addOption(json())
    .action(async (words: string[], options) => {
      process.exitCode = await (await import('./cli/policy.ts')).explain(words, options);
    });

  opsagent
    .command('freeze')
    .description('stop all changes at once, end those that run; holds over restarts')
    .option('--reason <text>', 'why, for those who meet it')
    .action(async (options) => (await import('./cli/freeze.ts')).freeze(options));
  opsagent
    .command('unfreeze')
    .description('let changes be asked for again; nothing from before goes on by itself')
    .action(async () => (await import('./cli/freeze.ts')).unfreeze());

  declarePeople(opsagent);

  opsagent
    .command('doctor')
    .description('check Node, configuration, Redis, model key, ports, data directory and hosts')
    .addOption(json())
    .action(async (options) => {
      process.exitCode = await (await import('./cli/doctor.ts')).doctor(options);
    });

  const audit = opsagent.command('audit').description('read, verify or export the audit log');
  const filtered = (command: Command) =>
    command
      .option(
        '--since <time>',
        'from this day or time on (2026-01-31, 2026-01-31T12:00Z), or so long ago (12h, 7d)',
      )
      .option('--until <time>', 'before this day or time')
      .option('--run <id>', 'only this run')
      .option('--who <account>', 'only what concerns this person, such as slack:U0123ABCD')
      .option('--kind <kind>', 'only such events, such as command.started')
      .option('--host <name>', 'only what concerns this host');
  filtered(audit.command('show', { isDefault: true }))
    .description('print what happened, oldest first')
    .option('--last <n>', 'only the last n lines', '50')
    .addOption(json())
    .action(async (options) => (await import('./cli/audit.ts')).show(options));
  filtered(audit.command('export'))
    .description(
      "print all lines that match; in csv, a cell that a spreadsheet would compute gets a leading '",
    )
    .option('--format <format>', 'jsonl (as in the log) or csv', 'jsonl')
    .action(async (options) => (await import('./cli/audit.ts')).exportAudit(options));
  audit
    .command('verify')
    .description(
      'check every line, its order and its hash, and the end against the anchors; exit code 1 when wrong',
    )
    .option(
      '--anchors <file>',
      'a file of anchors, or what a syslog kept of them; else the one of AUDIT_ANCHOR',
    )
    .option('--from <day>', 'from the files of this day on, when older ones were taken away')
    .option('--strict', 'exit code 6 unless anchors prove every line to the end')
    .addOption(json())
    .action(async (options) => {
      process.exitCode = (await import('./cli/audit-chains.ts')).verify(options);
    });
  audit
    .command('why')
    .argument('<id>', 'a run, one of its calls or an approval')
    .description(
      'tell the story of one run: who asked, what was shown, who clicked, what ran and how it ended',
    )
    .option('--anchors <file>', 'a file of anchors; else the one of AUDIT_ANCHOR')
    .addOption(json())
    .action(async (id: string, options) => {
      process.exitCode = (await import('./cli/audit-why.ts')).why(id, options);
    });
  return opsagent;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(process.argv.slice(2));
