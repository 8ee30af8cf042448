/**
 * Where lines of the log leave the process: in larger pieces, because a write for each request would cost more than
 * making its line. It never waits and never fails: a full disk or a reader that does not read must not stop answers.
 */
import { writeSync } from 'node:fs';

/** Bytes that wait for company, and milliseconds that they do. */
const BUFFER_BYTES = 4_096;
const BUFFER_MS = 200;
/** Bytes that are kept while nothing can be written. */
const KEPT_BYTES = 1_048_576;
/** Milliseconds that a process which ends gives a slow reader. */
const FAREWELL_MS = 1_000;
const FAREWELL_STEP_MS = 10;

const NOTHING = Buffer.alloc(0);

export interface LogOutput {
  /** Takes a whole line. */
  write(line: string): void;
  /** Tries at once, unless it is known that nothing can be written. */
  flush(): void;
  /** For the end of the process: waits a little for a slow reader. */
  finish(): void;
}

type Outcome = 'written' | 'slow' | 'failed' | 'gone';

const blocker = new Int32Array(new SharedArrayBuffer(4));

function describeLoss(lines: number): string {
  const time = new Date().toISOString();
  return `${JSON.stringify({ level: 'warn', time, lines, msg: 'lines of the log could not be written and are lost' })}\n`;
}

/** @param write instead of the real one, for tests */
export function createLogOutput(
  fd: number,
  write: (fd: number, bytes: Uint8Array) => number = writeSync,
): LogOutput {
  let gathered = '';
  /** What the last write left over: begun lines are never torn. */
  let rest: Buffer = NOTHING;
  let outcome: Outcome = 'written';
  let lost = 0;
  let timer: NodeJS.Timeout | undefined;

  function writeAll(): Outcome {
    try {
      while (rest.length > 0 || gathered !== '') {
        if (rest.length === 0) {
          rest = Buffer.from(gathered);
          gathered = '';
        }
        const written = write(fd, rest);
        if (written === 0) return 'slow';
        rest = rest.subarray(written);
        if (rest.length === 0 && gathered === '' && lost > 0) {
          gathered = describeLoss(lost);
          lost = 0;
        }
      }
      return 'written';
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return 'slow';
      return code === 'EPIPE' ? 'gone' : 'failed';
    }
  }

  function attempt(): void {
    clearTimeout(timer);
    timer = undefined;
    outcome = writeAll();
    if (outcome === 'slow' || outcome === 'failed') later();
  }

  function later(): void {
    timer ??= setTimeout(attempt, BUFFER_MS).unref();
  }

  return {
    write(line) {
      if (outcome === 'gone') return;
      if (rest.length + gathered.length > KEPT_BYTES) {
        lost += 1;
        return;
      }
      gathered += line;
      if (outcome === 'written' && gathered.length >= BUFFER_BYTES) attempt();
      else later();
    },
    flush() {
      if (outcome === 'written') attempt();
    },
    finish() {
      if (outcome === 'gone') return;
      const deadline = performance.now() + FAREWELL_MS;
      attempt();
      while (outcome === 'slow' && performance.now() < deadline) {
        Atomics.wait(blocker, 0, 0, FAREWELL_STEP_MS);
        attempt();
      }
    },
  };
}
