/** The end of a server: its parts get a time to end, and the log says which of them failed or took longer. */
import type { Logger } from '../http/log.ts';

export type Ending = ReturnType<typeof createEnding>;

export function createEnding(log: Pick<Logger, 'error'>) {
  let deadline: number | undefined;
  let isWhole = true;

  async function endWithin(ms: number, what: string, work: () => Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`it took longer than ${Math.round(ms)} ms`)), ms);
    try {
      await Promise.race([work(), late.promise]);
    } catch (error) {
      isWhole = false;
      log.error({ err: error }, `${what}: not brought to the end`);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    /** @param seconds that parts have together; otherwise each has its own time alone */
    begin(seconds: number): void {
      deadline = performance.now() + seconds * 1000;
    },
    /**
     * @param ms that it has beyond the time of all, whatever the parts before it took of them
     * @returns ends it; it is ended once, and what fails is thrown nowhere, so that the other parts end too
     */
    part(what: string, ms: number, work: () => Promise<unknown>): () => Promise<void> {
      let ended: Promise<void> | undefined;
      return () => {
        const left = deadline === undefined ? ms : Math.max(0, deadline + ms - performance.now());
        ended ??= endWithin(left, what, work);
        return ended;
      };
    },
    isWhole: () => isWhole,
  };
}
