/**
 * What `opsagent --help` says after the list of commands.
 */
export const examples = `
Examples:
  opsagent start                             then open the link it prints
  opsagent ask "How much disk space is available?"
  opsagent run disk_usage                    the command's output on stdout
  opsagent run service_status service=nginx --host web-1
  opsagent audit why r0123456789abcdef0123   what became of a run, and what proves it
  opsagent mcp                               for Claude Code, Claude Desktop and other MCP clients

Exit codes: 0 done, 1 the command or answer failed, 2 bad usage or configuration,
3 refused by policy or by a person, 4 waiting for approval, 5 too late to decide,
6 the audit log is whole and not proven to its end (verify --strict).`;
