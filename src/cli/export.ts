import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exportLines } from '../admin/export.ts';
import { loadConfig } from '../config/load.ts';
import { type Command, CommandFailed, type CommandIo, DONE, readArguments, writeLines } from './command.ts';
import { requireStore, withStorage } from './open.ts';

/** Rows written at once. */
const BATCH = 500;

export const exportStore: Command = {
  name: 'export',
  summary: 'Writes everything in the store as lines of JSON, while it is in use.',
  usage: ['export [--out FILE]'],
  details: [
    'Keys stay sealed under the master key and secrets hashed, so the server that imports needs the same master key.',
    '',
    '  --out FILE  a new file that only its owner can read; without it, stdout',
  ],
  async run(args, io) {
    const { values } = readArguments(args, { out: { type: 'string' } }, 0);
    const config = loadConfig(io.env, { cwd: io.cwd });
    requireStore(config);
    const path = values.out === undefined ? undefined : resolve(io.cwd, values.out);
    if (path !== undefined && existsSync(path)) {
      throw new CommandFailed(`${path} is there already: an export needs a new file.`);
    }
    await withStorage(config, ({ dump }) => {
      const lines = inBatches(exportLines(dump, io.now()));
      return path === undefined ? writeOut(lines, io) : writeFile(lines, path);
    });
    if (path !== undefined) writeLines(io.stdout, [`The store was exported to ${path}.`]);
    return DONE;
  },
};

async function* inBatches(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let batch: string[] = [];
  for await (const line of lines) {
    batch.push(`${line}\n`);
    if (batch.length < BATCH) continue;
    yield batch.join('');
    batch = [];
  }
  yield batch.join('');
}

async function writeOut(texts: AsyncIterable<string>, { stdout }: CommandIo): Promise<void> {
  for await (const text of texts) {
    const hasRoom = stdout.write(text);
    if (hasRoom === false && 'once' in stdout) {
      await new Promise((resolve) => (stdout as NodeJS.WriteStream).once('drain', resolve));
    }
  }
}

/** Whole or not at all. */
async function writeFile(texts: AsyncIterable<string>, path: string): Promise<void> {
  const unfinished = `${path}.unfinished`;
  const file = await open(unfinished, 'wx', 0o600);
  try {
    for await (const text of texts) await file.appendFile(text);
    await file.sync();
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
