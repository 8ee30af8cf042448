/** Answers that stay open, such as streams of events, end when their token expires or is revoked. */

import { setTimeout } from 'node:timers/promises';

/** Milliseconds between two looks at the token. */
const INTERVAL = 1_000;

/**
 * @param end called once, if the token ends before the returned function is called
 * @returns stops looking
 */
export function whenTokenEnds(isAlive: () => Promise<boolean>, end: () => void): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  const look = async (): Promise<void> => {
    do await setTimeout(INTERVAL, undefined, { ref: false, signal });
    while (await isAlive());
  };
  // It is rejected when it is stopped. A look that fails ends the answer, as a token that cannot be checked is refused.
  const finish = (): void => {
    if (!signal.aborted) end();
  };
  look().then(finish, finish);
  return () => stopping.abort();
}

export function endWithToken(response: Response, isAlive: () => Promise<boolean>): Response {
  if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    return response;
  const reader = response.body.getReader();
  // A read that waits then finds the end.
  const stop = whenTokenEnds(isAlive, () => reader.cancel().catch(() => undefined));
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          controller.enqueue(value);
          return;
        }
        stop();
        controller.close();
      } catch (error) {
        stop();
        throw error;
      }
    },
    cancel(reason) {
      stop();
      return reader.cancel(reason);
    },
  });
  return new Response(body, response);
}
