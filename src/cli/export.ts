import { open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exportLines } from '../admin/export.ts';
import { writeApplyFile } from '../apply/write-file.ts';
import { loadConfig } from '../config/load.ts';
import { withBuiltIns } from '../directory/built-ins.ts';
import type { Command, CommandIo } from './command.ts';
import { readArguments, texts, writeLines } from './input.ts';
import { requireNewFile, requireOrganization, requireStore, withStorage } from './open.ts';

type Texts = AsyncIterable<string> | Iterable<string>;

/** Rows written at once. */
const BATCH = 500;

export const exportStore: Command = {
  summary: 'Writes everything in the store as lines of JSON, or an organization as an apply file.',
  usage: ['export [--out FILE]', 'export --apply ORGANIZATION [--out FILE]'],
  details: [
    'It may be in use meanwhile. Keys stay sealed under the master key and secrets hashed, so the server that imports needs',
    'the same master key. An apply file has no secrets at all; it begins with what else it leaves out.',
    '',
    '  --apply ORGANIZATION  its resources, roles, applications, users, connections and datasources as an apply file;',
    '                        `management`: the roles and applications of the server itself, and its administrators',
    '  --out FILE            a new file that only its owner can read; without it, stdout',
  ],
  async run(args, io) {
    const { values } = readArguments(args, texts('out', 'apply'), 0);
    const config = loadConfig(io.env, { cwd: io.cwd });
    requireStore(config);
    const path = values.out === undefined ? undefined : resolve(io.cwd, values.out);
    if (path !== undefined) requireNewFile(path, 'an export');
    const { apply: name } = values;
    await withStorage(config, async ({ dump, directory }) => {
      const store = withBuiltIns(directory, config.issuer);
      const texts =
        name === undefined
          ? inBatches(exportLines(dump, io.now()))
          : [
              await writeApplyFile(await requireOrganization(name, { store }), store, {
                accessTokenTtl: config.ttl.accessToken,
              }),
            ];
      await (path === undefined ? writeOut(texts, io) : writeFile(texts, path));
    });
    if (path !== undefined) {
      const what = name === undefined ? 'The store' : `The organization ${name}`;
      writeLines(io.stdout, [`${what} was exported to ${path}.`]);
    }
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

async function writeOut(texts: Texts, { stdout }: CommandIo): Promise<void> {
  for await (const text of texts) {
    const hasRoom = stdout.write(text);
    if (hasRoom === false && 'once' in stdout) {
      await new Promise((resolve) => (stdout as NodeJS.WriteStream).once('drain', resolve));
    }
  }
}

/** Whole or not at all. */
async function writeFile(texts: Texts, path: string): Promise<void> {
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
