/** One line on a terminal that says that something takes longer, and goes when it is done. */
import type { Output } from '../command.ts';

/** Milliseconds before the first line, and between two. */
const EVERY = 1_000;
const CLEARED = '\r\u001b[K';

/** Calls at an interval (milliseconds), until what it returns is called. */
export type Repeat = (work: () => void, ms: number) => () => void;

const repeatedly: Repeat = (work, ms) => {
  const timer = setInterval(work, ms);
  timer.unref();
  return () => clearInterval(timer);
};

/**
 * @param describe what has been done so far, such as `400 users`
 * @param work is given what takes the line away, before it writes on the same terminal
 */
export async function withProgress<T>(
  output: Output,
  describe: () => string,
  work: (clear: () => void) => Promise<T>,
  repeat: Repeat = repeatedly,
): Promise<T> {
  if (output.isTTY !== true) return work(() => undefined);
  let seconds = 0;
  let isShown = false;
  const clear = (): void => {
    if (isShown) output.write(CLEARED);
    isShown = false;
  };
  const stop = repeat(() => {
    seconds += 1;
    isShown = true;
    output.write(`${CLEARED}${describe()} (${seconds} s)`);
  }, EVERY);
  try {
    return await work(clear);
  } finally {
    stop();
    clear();
  }
}
