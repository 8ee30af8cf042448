/** One line on a terminal that says that something takes longer, and goes when it is done. */
import type { CommandIo, Output } from '../command.ts';

/** Milliseconds before the first line, and between two. */
const EVERY = 1_000;
const CLEARED = '\r\u001b[K';

/**
 * @param describe what has been done so far, such as `400 users`
 * @param work writes to what it is given, which takes the line away first: both streams may be one terminal
 */
export async function withProgress<T>(
  { stdout, stderr }: Pick<CommandIo, 'stdout' | 'stderr'>,
  describe: () => string,
  work: (stdout: Output) => Promise<T>,
): Promise<T> {
  if (stderr.isTTY !== true) return work(stdout);
  let seconds = 0;
  let isShown = false;
  const clear = (): void => {
    if (isShown) stderr.write(CLEARED);
    isShown = false;
  };
  const timer = setInterval(() => {
    seconds += 1;
    isShown = true;
    stderr.write(`${CLEARED}${describe()} (${seconds} s)`);
  }, EVERY);
  timer.unref();
  try {
    return await work({
      write(text) {
        clear();
        return stdout.write(text);
      },
    });
  } finally {
    clearInterval(timer);
    clear();
  }
}
