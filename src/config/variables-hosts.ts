/**
 * The environment variables about hosts: REMOTE_HOST and its family, known keys, and the ways to the hosts.
 */
import type { Variable } from './variable.ts';

export const HOST_VARIABLES: readonly Variable[] = [
  {
    name: 'REMOTE_HOST',
    roles: ['whitelist', 'cli'],
    default: '',
    description:
      'The server to run commands on, as host "remote"; empty for this machine (more servers: config/hosts.yaml).',
  },
  {
    name: 'REMOTE_USER',
    roles: ['whitelist', 'cli'],
    default: '',
    description: 'Login name on REMOTE_HOST.',
  },
  {
    name: 'REMOTE_SSH_PORT',
    roles: ['whitelist', 'cli'],
    default: '22',
    description: 'SSH port of REMOTE_HOST.',
  },
  {
    name: 'REMOTE_SSH_KEY_PATH',
    roles: ['whitelist', 'cli'],
    default: '',
    description:
      'Private key file for REMOTE_HOST; empty for SSH_KEY_PATH/SSH_KEY_FILENAME, else the SSH agent.',
  },
  {
    name: 'REMOTE_SSH_KEY_PASSPHRASE',
    roles: ['whitelist'],
    default: '',
    secret: true,
    description: 'Passphrase of that key, when it has one.',
  },
  { name: 'FAN_OUT', roles: ['whitelist'], default: '50', description: 'Hosts of a group asked at once.' },
  {
    name: 'SSH_KNOWN_HOSTS_PATH',
    roles: ['whitelist', 'cli'],
    default: '~/.ssh/known_hosts',
    description:
      'File with the known host keys; an unknown key is refused until "opsagent hosts trust NAME".',
  },
  {
    name: 'TS_SOCKS5_SERVER',
    roles: ['whitelist', 'cli'],
    default: '',
    description:
      'SOCKS5 proxy of a userspace tailscaled (localhost:1055), for hosts with an address of the tailnet.',
  },
  {
    name: 'ALL_PROXY',
    roles: ['whitelist', 'cli'],
    default: '',
    description:
      'SOCKS5 proxy for every host without one of its own (socks5://host:port); others are passed over.',
  },
  {
    name: 'NO_PROXY',
    roles: ['whitelist', 'cli'],
    default: '',
    description: 'Hosts that these two are not for: names, addresses and ranges, separated by commas.',
  },
];
