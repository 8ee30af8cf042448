import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { childEnv } from '../support/programs.ts';

const FIGURES = process.env.GRANTABLE_TEST_FIGURES !== undefined;
const APPLICATIONS = FIGURES ? 8_000 : 800;
const IN_ONE_ORGANIZATION = 100;
/** Of the whole process. On a machine that is busy with other tests, memory beside the heap is given back late. */
const MOST_MB = FIGURES ? 200 : 300;
/** Of JavaScript values, where there are fewer applications: a fifth more than it needs. */
const HEAP_MB = 32;

const organization = (number: number): object => ({
  name: `org-${number}`,
  resources: [{ identifier: `https://api-${number}.example/`, tables: [{ id: 'orders' }] }],
  applications: Array.from({ length: IN_ONE_ORGANIZATION }, (_, index) => ({
    name: `app-${index}`,
    clientId: `client-${number}-${index}`,
    clientSecret: `secret-of-client-${number}-${index}-`.padEnd(40, 'x'),
    grants: ['client_credentials', 'token_exchange'],
    resource: `https://api-${number}.example/`,
    permissions: { tables: { orders: { create: true, read: true } } },
  })),
});

test(`${APPLICATIONS} applications are applied in little memory`, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-size-'));
  t.after(() => rm(folder, { recursive: true }));
  const organizations = Array.from({ length: APPLICATIONS / IN_ONE_ORGANIZATION }, (_, number) =>
    organization(number),
  );
  const file = join(folder, 'apply.yaml');
  await writeFile(file, stringify({ organizations }, { aliasDuplicateObjects: false }));
  const used = join(folder, 'used.txt');
  const hook = join(folder, 'hook.mjs');
  await writeFile(
    hook,
    `import { writeFileSync } from 'node:fs';
     process.on('exit', () => writeFileSync(${JSON.stringify(used)}, String(process.resourceUsage().maxRSS)));`,
  );
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8'));
  const [, ...command] = scripts.grantable.split(' ');
  const limits = FIGURES ? [] : [`--max-old-space-size=${HEAP_MB}`];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [`--import=${hook}`, ...limits, ...command, 'apply', file],
    { env: { ...childEnv, GRANTABLE_DATA_DIR: join(folder, 'data') }, maxBuffer: 10 ** 8 },
  );
  const added = APPLICATIONS + 2 * organizations.length;
  assert.match(stdout, new RegExp(`${added} added, 0 changed`));
  const usedMb = Number(await readFile(used, 'utf8')) / 1024;
  t.diagnostic(`${usedMb.toFixed(0)} MB for ${APPLICATIONS} applications`);
  assert.ok(usedMb < MOST_MB, `${usedMb} MB`);
});
