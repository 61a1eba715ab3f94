// Shows one step at a time on stderr with the seconds it takes, and runs the child process that does it.
// stdout is never touched: with `opsagent mcp` it carries the protocol.

import { spawn } from 'node:child_process';

const KEEP_BYTES = 64 * 1024;
const KILL_AFTER_MS = 1_500; // npm lingers to undo its work; the next npm ci starts afresh anyway

/**
 * A terminal sees one line that counts; anything else sees one line for each step, with the seconds so far.
 * @param {import('node:tty').WriteStream} [stream]
 */
export function progress(stream = process.stderr) {
  const started = performance.now();
  let current = '';
  let ticker;

  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const draw = () => stream.write(`\r\x1b[Kopsagent: ${current} … ${seconds()}`);
  const stop = () => {
    clearInterval(ticker);
    if (stream.isTTY && current) stream.write('\r\x1b[K');
    current = '';
  };

  return {
    /** @param {string} text what happens now */
    step(text) {
      if (text === current) return;
      stop();
      current = text;
      if (!stream.isTTY) stream.write(`opsagent: [${seconds()}] ${text}\n`);
      else {
        draw();
        ticker = setInterval(draw, 200).unref();
      }
    },
    /** @param {string} [text] what was reached; nothing is said after a failure, its sentence follows */
    end(text) {
      stop();
      if (text) stream.write(`opsagent: [${seconds()}] ${text}\n`);
    },
  };
}

/**
 * Runs a program to its end without a terminal and keeps the end of what it says.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, signal: AbortSignal, onSpawn: (pid: number | undefined) => void }} options
 * @returns {Promise<{ code: number | null, output: string, missing: boolean }>} `missing`: no such program
 */
export function run(command, args, { cwd, signal, onSpawn }) {
  return new Promise((resolve) => {
    // Only Windows needs a shell, for npm's .cmd; no argument of ours holds anything that a shell reads.
    const shell = process.platform === 'win32' && command === 'npm';
    const child = spawn(command, args, { cwd, shell, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let killer;

    const keep = (chunk) => {
      output = (output + chunk).slice(-KEEP_BYTES);
    };
    const abort = () => {
      child.kill('SIGTERM');
      killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    };
    const done = (code, missing) => {
      clearTimeout(killer);
      signal.removeEventListener('abort', abort);
      onSpawn(undefined);
      resolve({ code, output, missing });
    };

    onSpawn(child.pid);
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.once('error', (error) => done(null, error.code === 'ENOENT'));
    child.once('close', (code) => done(code, false));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
}
