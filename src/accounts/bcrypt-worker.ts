/** Runs in a thread: see `bcrypt.ts`. */
import { getPriority, setPriority } from 'node:os';
import bcrypt from 'bcrypt';

/** With a salt (or the cost of a new one) it makes a hash, with a hash it compares. */
export type BcryptTask =
  | { readonly data: string; readonly salt: string | number }
  | { readonly data: string; readonly hash: string };

/**
 * Beside one busy thread on its core it has a quarter of the core. With 10, other programs could hold up a login for longer
 * than clients wait.
 */
const NICER = 5;
const NICEST = 19;

function lowerPriority(): void {
  // Linux has a priority for each thread, other systems have one for the process.
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.min(NICEST, getPriority() + NICER));
  } catch {
    // Filters of system calls refuse it. Hashes are as right without it, and other requests wait longer for them.
  }
}

lowerPriority();

export default function run(task: BcryptTask): string | boolean {
  return 'salt' in task ? bcrypt.hashSync(task.data, task.salt) : bcrypt.compareSync(task.data, task.hash);
}
