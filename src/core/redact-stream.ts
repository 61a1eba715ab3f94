/**
 * Cleaning output that arrives in pieces: what comes out in the end is exactly what cleaning the whole at once would
 * have given, however the bytes were cut. It lets go of text only where nothing that follows can change it.
 */
import { decodeUtf8, visible } from './visible.ts';

export interface StreamCleaner {
  /** Takes the next bytes; returns the clean text that is final by now, often none. */
  push(chunk: Uint8Array): string;
  /** The rest. Nothing may be pushed after it. */
  end(): string;
}

export interface StreamCleanerOptions {
  readonly redact: (text: string) => string;
  /** How many bytes are held back at least; longer than any secret may reach over a line's end. Default 8192. */
  readonly window?: number;
}

/** Decodes, shows what is hidden and takes secrets out. Throws what `redact` throws: then nothing may be used. */
export function createStreamCleaner(options: StreamCleanerOptions): StreamCleaner {
  const window = options.window ?? 8192;
  // Escaping may bring together what the host had split, and split what stood together.
  const clean = (bytes: Uint8Array) => options.redact(visible(options.redact(decodeUtf8(bytes))));
  let held: Buffer = Buffer.alloc(0);
  let chunks: Uint8Array[] = [];
  let waiting = 0;
  let tryAt = 2 * window;

  const gather = () => {
    held = Buffer.concat([held, ...chunks]);
    chunks = [];
    waiting = 0;
  };

  return {
    push(chunk) {
      chunks.push(Uint8Array.from(chunk));
      waiting += chunk.length;
      if (held.length + waiting < tryAt) return '';
      gather();
      const cut = borderBefore(held, held.length - window);
      const head = held.subarray(0, cut);
      const tail = held.subarray(cut);
      const text = cut > 0 ? clean(head) : '';
      // A secret that lies across the border would show here: then all of it waits for more.
      if (cut === 0 || text + clean(tail) !== clean(held)) {
        tryAt = 2 * held.length;
        return '';
      }
      held = Buffer.from(tail);
      tryAt = Math.max(2 * window, 2 * held.length);
      return text;
    },
    end() {
      gather();
      const text = clean(held);
      held = Buffer.alloc(0);
      return text;
    },
  };
}

/** The last line's end within the first `limit` bytes that no later text reaches across; 0 when there is none. */
function borderBefore(bytes: Buffer, limit: number): number {
  const lines = visible(decodeUtf8(bytes.subarray(0, Math.max(0, limit)))).split('\n');
  let inKey = false;
  let border = 0;
  let end = 0;
  // Showing text keeps its lines, so the n-th line here is the n-th of the bytes; the last one is not whole.
  for (const line of lines.slice(0, -1)) {
    end = bytes.indexOf(0x0a, end) + 1;
    for (const [, mark] of line.matchAll(keyMarks)) inKey = mark === 'BEGIN';
    if (!inKey && mayEndHere(line)) border = end;
  }
  return border;
}

const keyMarks = /-----(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY/g;

/** Lines of nothing but base64, and blank ones among them, may belong to a key whose end is still to come. */
function mayEndHere(line: string): boolean {
  const last = line.trimEnd().slice(-150);
  return /[^A-Za-z0-9+/=\s]/.test(last) && !last.includes('Private-Lines');
}
