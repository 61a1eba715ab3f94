/**
 * The command line: what each word does is in src/cli, loaded only when that word is used.
 */
import { pathToFileURL } from 'node:url';
import { Command, CommanderError, Option } from 'commander';
import { exitCodes } from './cli/exit-codes.ts';
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
    .option('--host <name>', 'where; needed when there are several hosts')
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

  const hosts = opsagent.command('hosts').description('list the hosts, or pin the key of a new one');
  hosts
    .command('list', { isDefault: true })
    .description('list the hosts')
    .addOption(json())
    .action(async (options) => (await import('./cli/hosts.ts')).listHosts(options));
  hosts
    .command('trust')
    .argument('<name>', 'a host of config/hosts.yaml, or `remote` for REMOTE_HOST')
    .description('show a host key and, if you agree, add it to the known_hosts file')
    .option('--fingerprint <SHA256:…>', 'agree only to this key, without asking')
    .action(async (name: string, options) => {
      process.exitCode = await (await import('./cli/hosts.ts')).trust(name, options);
    });

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
    .command('doctor')
    .description('check Node, configuration, Redis, model key, ports, data directory and hosts')
    .addOption(json())
    .action(async (options) => {
      process.exitCode = await (await import('./cli/doctor.ts')).doctor(options);
    });

  const audit = opsagent.command('audit').description('read or verify the audit log');
  audit
    .command('show', { isDefault: true })
    .description('print what happened, oldest first')
    .option('--run <id>', 'only this run')
    .option('--last <n>', 'only the last n lines', '50')
    .addOption(json())
    .action(async (options) => (await import('./cli/audit.ts')).show(options));
  audit
    .command('verify')
    .description('check every line, its order and its hash; exit code 1 when something is wrong')
    .addOption(json())
    .action(async (options) => {
      process.exitCode = await (await import('./cli/audit.ts')).verify(options);
    });
  return opsagent;
}

const examples = `
Examples:
  opsagent start                             then open the link it prints
  opsagent ask "How much disk space is available?"
  opsagent run disk_usage                    the command's output on stdout
  opsagent run service_status service=nginx --host web-1
  opsagent mcp                               for Claude Code, Claude Desktop and other MCP clients

Exit codes: 0 done, 1 the command or answer failed, 2 bad usage or configuration,
3 refused by policy or by a person, 4 waiting for approval.`;

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(process.argv.slice(2));
