/**
 * Notices a stream that has gone silent: the service pings while it thinks, so silence means a dead connection,
 * which TCP alone would take minutes to tell.
 */

/** `fetch` whose streamed bodies fail when no byte comes for so long, in ms. */
export function fetchWatchingSilence(silenceMs: number): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const { body } = response;
    const streams = response.headers.get('content-type')?.startsWith('text/event-stream');
    return body && streams ? new Response(watched(body, silenceMs), response) : response;
  };
}

function watched(body: ReadableStream<Uint8Array>, silenceMs: number): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(out) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('the stream has gone silent')), silenceMs);
      });
      try {
        const { done, value } = await Promise.race([reader.read(), silence]);
        if (done) out.close();
        else out.enqueue(value);
      } catch (thrown) {
        out.error(thrown);
        await reader.cancel().catch(() => undefined);
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
