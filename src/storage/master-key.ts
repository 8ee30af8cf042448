/** The master key: 32 bytes that wrap the store's data keys. Its text form, and the file in the data folder that holds it. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from './sync-folder.ts';

const MASTER_KEY_BYTES = 32;

/** Where the master key comes from: the operator gives it, or the server keeps a file in the data folder. */
export type MasterKey =
  | { readonly source: 'env' | 'file'; readonly key: Buffer; readonly path?: string }
  | { readonly source: 'data-folder'; readonly path: string };

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/** A typed-in pattern has fewer different bytes than this; 32 random bytes do not (chance below 1 in 10^15). */
const FEWEST_DIFFERENT_BYTES = 16;

/**
 * @param text 64 hex digits, or base64 (either alphabet, padded or not) of 32 bytes; blanks around it do not count
 * @throws Error whose message says what is wrong without showing the key
 */
export function parseMasterKey(text: string): Buffer {
  const trimmed = text.trim();
  const key = decode(trimmed);
  if (!key) throw new Error('it is neither 64 hex digits nor base64 of 32 bytes');
  if (new Set(key).size < FEWEST_DIFFERENT_BYTES) throw new Error('it is not random');
  return key;
}

function decode(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  return Buffer.from(text, 'base64');
}

/** The text in a key file, if there is such a file. */
export async function findKeyFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes a key file of mode 0600 unless one is there; the folder too. The file appears whole or not at all, and if two
 * processes make it at once, both go on with the one that came first.
 */
export async function createKeyFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const text = `${randomBytes(MASTER_KEY_BYTES).toString('hex')}\n`;
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeDurably(unfinished, text);
    await link(unfinished, path).catch((error: NodeJS.ErrnoException) => {
      // Some file systems have no links; there a second process that starts at the same moment must start again.
      if (!NO_LINKS.has(error.code ?? '')) throw error;
      return writeDurably(path, text);
    });
    // The file's name must be durable before the first value that is sealed under the key.
    await syncFolder(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(unfinished).catch(() => undefined);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
