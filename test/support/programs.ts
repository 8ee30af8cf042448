/** Finding programs that tests start, and waiting for what they start. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What every process that a test starts gets. They share their compiled code instead of each writing its own. */
export const childEnv: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '',
  NODE_COMPILE_CACHE:
    process.env.NODE_COMPILE_CACHE ?? join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'node'),
};

/** In the PATH, in `sbin`, or where Debian keeps those of several versions. */
export function findProgram(name: string, versioned?: string): string | undefined {
  const versions =
    versioned !== undefined && existsSync(versioned)
      ? readdirSync(versioned).sort((a, b) => Number(b) - Number(a))
      : [];
  const folders = [
    ...versions.map((version) => join(versioned as string, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
    '/usr/sbin',
    '/usr/local/sbin',
  ];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** As whom a server that refuses to be root is run. */
export function otherUser(name: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, name]).toString());
  return { uid: id('-u'), gid: id('-g') };
}

/** To a process of ours and all that it started. */
export function signalAll(pid: number, signal: NodeJS.Signals): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  for (const each of [String(pid), ...(children === '' ? [] : children.split(' '))]) {
    try {
      process.kill(Number(each), signal);
    } catch {
      // It ended meanwhile.
    }
  }
}
