// The programs that suites run against the real thing need, and where this machine has them.
// Plain JavaScript, because test/run.mjs asks before anything is installed.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * By the name that `needs()` takes: the names the program goes by, and the packages that bring it, '' for none.
 * @type {Readonly<Record<string, { names: readonly string[], apt: string, brew: string }>>}
 */
export const PROGRAMS = {
  'redis-server': { names: ['redis-server', 'valkey-server'], apt: 'redis-server', brew: 'redis' },
  sshd: { names: ['sshd'], apt: 'openssh-server', brew: 'openssh' },
  chromium: {
    names: ['chromium', 'google-chrome', 'google-chrome-stable', 'Google Chrome', 'Chromium'],
    apt: 'chromium',
    brew: '--cask chromium',
  },
  bash: { names: ['bash'], apt: 'bash', brew: 'bash' },
  dash: { names: ['dash'], apt: 'dash', brew: 'dash' },
  zsh: { names: ['zsh'], apt: 'zsh', brew: 'zsh' },
  fish: { names: ['fish'], apt: 'fish', brew: 'fish' },
  tcsh: { names: ['tcsh'], apt: 'tcsh', brew: 'tcsh' },
  ksh: { names: ['ksh', 'ksh93'], apt: 'ksh', brew: 'ksh93' },
  busybox: { names: ['busybox'], apt: 'busybox-static', brew: '' },
  sudo: { names: ['sudo'], apt: 'sudo', brew: '' },
  visudo: { names: ['visudo'], apt: 'sudo', brew: '' },
};

// Where servers and browsers live that a login's PATH does not name.
const BEYOND_PATH = [
  '/usr/sbin',
  '/usr/local/sbin',
  '/sbin',
  '/Applications/Google Chrome.app/Contents/MacOS',
  '/Applications/Chromium.app/Contents/MacOS',
];

/**
 * The full path of a program, by its name in PROGRAMS.
 * @param {string} program
 * @param {readonly string[]} [folders]
 * @returns {string | undefined}
 */
export function programPath(program, folders = searchFolders()) {
  const { names } = PROGRAMS[program] ?? { names: [program] };

  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/**
 * What of PROGRAMS is not on this machine.
 * @param {readonly string[]} [folders]
 * @returns {string[]}
 */
export function missingPrograms(folders = searchFolders()) {
  return Object.keys(PROGRAMS).filter((program) => !programPath(program, folders));
}

function searchFolders() {
  return [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...BEYOND_PATH];
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
