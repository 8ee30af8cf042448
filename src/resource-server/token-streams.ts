/** Answers that stay open, such as streams of events, end when their token expires or is revoked. */

/** Milliseconds between two looks at the token. */
const INTERVAL = 1_000;

/**
 * @param end called once, if the token ends before the returned function is called
 * @returns stops looking
 */
export function whenTokenEnds(isAlive: () => Promise<boolean>, end: () => void): () => void {
  let timer: NodeJS.Timeout;
  let isStopped = false;
  const look = async (): Promise<void> => {
    const alive = await isAlive();
    if (isStopped) return;
    if (alive) wait();
    else end();
  };
  const wait = (): void => {
    timer = setTimeout(look, INTERVAL);
    timer.unref();
  };
  wait();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

export function endWithToken(response: Response, isAlive: () => Promise<boolean>): Response {
  if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    return response;
  const reader = response.body.getReader();
  let stop: () => void = () => undefined;
  let isEnded = false;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      stop = whenTokenEnds(isAlive, () => {
        isEnded = true;
        controller.close();
        reader.cancel().catch(() => undefined);
      });
    },
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          controller.enqueue(value);
          return;
        }
        stop();
        if (!isEnded) controller.close();
      } catch (error) {
        stop();
        controller.error(error);
      }
    },
    cancel(reason) {
      stop();
      return reader.cancel(reason);
    },
  });
  return new Response(body, response);
}
