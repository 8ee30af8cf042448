/** A disk of a few megabytes that a test may fill and make read-only. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export interface SmallDisk extends Disposable {
  readonly path: string;
  /** Leaves no byte free. */
  fill(): void;
  /** Gives back what `fill` took. */
  free(): void;
  /** @throws Error while a file on it is open for writing */
  remount(mode: 'ro' | 'rw'): void;
}

/** Runs a system's tool. @throws Error with what it said */
export function runTool(name: string, ...args: string[]): string {
  return execFileSync(name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A test that this machine does not allow is skipped by people, never by the build. */
export function skip(t: TestContext, sentence: string): void {
  if (process.env.CI) assert.fail(sentence);
  t.skip(sentence);
}

function writeUntilFull(file: string): void {
  const zeros = Buffer.alloc(65_536);
  const fd = openSync(file, 'a');
  for (let size = zeros.length; size >= 1; ) {
    try {
      writeSync(fd, zeros, 0, size);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      size = Math.floor(size / 2);
    }
  }
  closeSync(fd);
}

/** Undefined, and the test is skipped, where only root may mount. */
export function mountSmallDisk(t: TestContext, megabytes: number): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'grantable-disk-'));
  try {
    runTool('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', path);
  } catch {
    rmdirSync(path);
    skip(t, 'needs a small disk of its own: run it on Linux as root, or with the capability CAP_SYS_ADMIN');
    return undefined;
  }
  const zeros = join(path, 'zeros');
  return {
    path,
    fill: () => writeUntilFull(zeros),
    free: () => rmSync(zeros),
    remount(mode) {
      runTool('mount', '-o', `remount,${mode}`, path);
    },
    [Symbol.dispose]() {
      // Lazily: a server that a failed test has left behind must not keep it.
      runTool('umount', '-l', path);
      rmdirSync(path);
    },
  };
}
