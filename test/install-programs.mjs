// Installs the programs that suites need, where this login may: root on Debian or Ubuntu.
// What it cannot install is left out of the tests and named at their end.

import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { missingPrograms, PROGRAMS } from './system-packages.mjs';

const LISTS = '/var/lib/apt/lists';
const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_TEXT =
  '#!/bin/sh\n# opsagent: no service starts while npm test installs packages; safe to delete\nexit 101\n';
const BUSY = /could not get lock|unable to (acquire|lock)/i;
const LOCK_WAIT_MS = 300_000;

/**
 * Resolves when all was tried; says what it does, fails at nothing.
 * @param {(text: string) => void} say
 */
export async function installMissingPrograms(say) {
  const packages = missingPrograms().map((program) => PROGRAMS[program].apt);
  if (packages.length === 0 || !mayInstall()) return;

  const restore = keepServicesDown();
  try {
    if (!hasLists()) await update(say);
    say(`installing system packages: ${packages.join(' ')}`);
    if (await install(packages)) return;

    await update(say);
    if (await install(packages)) return;

    // One package that this release does not have must not take the others along.
    for (const name of packages) {
      if (!(await install([name]))) say(`the system package ${name} could not be installed`);
    }
  } finally {
    restore();
  }
}

function mayInstall() {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') && existsSync('/etc/debian_version');
}

function hasLists() {
  return existsSync(LISTS) && readdirSync(LISTS).some((name) => /_Packages(\.\w+)?$/.test(name));
}

async function update(say) {
  say('asking for the list of system packages (apt-get update)');
  const until = Date.now() + LOCK_WAIT_MS;

  // apt waits for dpkg's lock when told to, but not for the lock of its own lists.
  for (;;) {
    const { ok, output } = await apt(['update']);
    if (ok || !BUSY.test(output) || Date.now() > until) return;
    await delay(2_000);
  }
}

async function install(packages) {
  return (await apt(['install', '--yes', '--no-install-recommends', ...packages])).ok;
}

function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const options = ['-qq', '-o', `DPkg::Lock::Timeout=${LOCK_WAIT_MS / 1000}`];

  return new Promise((resolve) => {
    execFile('apt-get', [...options, ...args], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ ok: !error, output: stdout + stderr });
    });
  });
}

// Debian starts a server as soon as it is installed, unless this file says no. One of our own that a killed run
// left behind is taken over; anybody else's stays as it is.
function keepServicesDown() {
  const remove = () => rmSync(POLICY, { force: true });
  if (!existsSync(POLICY)) writeFileSync(POLICY, POLICY_TEXT, { mode: 0o755 });
  else if (readFileSync(POLICY, 'utf8') !== POLICY_TEXT) return () => {};

  process.once('exit', remove);
  return () => {
    process.removeListener('exit', remove);
    remove();
  };
}
