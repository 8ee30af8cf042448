/** Secrets that were made up here: kept in a file that only its owner can read, said nowhere else. */
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../storage/sync-folder.ts';

const OWNER_ONLY = 0o600;
const PREAMBLE =
  '# Secrets that were made here. Each stands in this file only: bring them where they are needed, then delete it.\n' +
  '# If a name has several lines, use the last one that is not marked unused.\n';

export interface SecretLine {
  /** Milliseconds. */
  readonly at: number;
  /** Whose: `application acme/shop`. */
  readonly name: string;
  /** Words in front of the secret: `clientId shop clientSecret`. */
  readonly what: string;
  readonly value: string;
}

export function generatedSecretsPath(dataDir: string): string {
  return join(dataDir, 'generated-secrets.txt');
}

/** Appends durably: once this has resolved, what the secret opens may be stored. */
export async function keepGeneratedSecret(
  dataDir: string,
  { at, name, what, value }: SecretLine,
): Promise<void> {
  await append(dataDir, `${new Date(at).toISOString()} ${name} ${what} ${value}`);
}

/** Characters that tell one secret from another; it opens nothing. */
const SHOWN = 12;

/** What the secret was to open was not stored: another process was first. */
export async function disownGeneratedSecret(dataDir: string, { name, value }: SecretLine): Promise<void> {
  await append(dataDir, `# ${name}: the secret that starts with ${value.slice(0, SHOWN)} is unused`);
}

/** Which of them have secrets in the file. */
export async function findSecretNames(
  dataDir: string,
  named: Iterable<{ readonly name: string }>,
): Promise<ReadonlySet<string>> {
  const names = new Set([...named].map(({ name }) => name));
  const text = names.size > 0 && (await readFile(generatedSecretsPath(dataDir), 'utf8').catch(ignoreMissing));
  const lines = text ? text.split('\n') : [];
  // A line starts with the time at which the secret was made. Names have spaces.
  const starts = lines.flatMap((line) => {
    const words = line.split(' ').slice(1);
    return words.map((_, index) => words.slice(0, index).join(' '));
  });
  return names.intersection(new Set(starts));
}

/** What the secrets of the name opened was removed. */
export async function disownSecretsOf(dataDir: string, name: string): Promise<void> {
  await append(dataDir, `# ${name}: it was removed, and its secrets above are unused`);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

async function append(dataDir: string, line: string): Promise<void> {
  const path = generatedSecretsPath(dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const file = await open(path, 'a', OWNER_ONLY);
  try {
    // A file that was there before, perhaps copied, may be readable to others.
    await file.chmod(OWNER_ONLY);
    const isNew = (await file.stat()).size === 0;
    await file.appendFile(`${isNew ? PREAMBLE : ''}${line}\n`);
    await file.sync();
    if (isNew) await syncFolder(dirname(path));
  } finally {
    await file.close();
  }
}
