/**
 * Schemathesis makes requests of the description, valid and invalid ones, and holds the answers against it. Its lists are
 * bounded and its seed is fixed, so that every run sends the same.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { operations } from '../../../src/admin/operations/index.ts';
import { startAdmin } from './support.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
/** As `.ci/run` installs it. */
const PROGRAM = join(ROOT, 'node_modules/.schemathesis/bin/schemathesis');

function schemathesisMissing(): string | false {
  if (existsSync(PROGRAM)) return false;
  const sentence =
    'no Schemathesis: python3 -m venv node_modules/.schemathesis && node_modules/.schemathesis/bin/pip install -r test/schemathesis/requirements.txt';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

interface Outcome {
  readonly code: number;
  readonly text: string;
}

/**
 * What Python before 3.11.5 sometimes says when it reads its own sources (python/cpython#106905): a fault of the program, which
 * says nothing of the answers.
 */
const FAULT_OF_PYTHON = 'AST constructor recursion depth mismatch';

/** In a folder that it may leave files in. */
const run = (cwd: string, args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const options = {
      cwd,
      maxBuffer: 2 ** 26,
      env: { PATH: process.env.PATH ?? '', NO_COLOR: '1', COLUMNS: '120' },
    };
    execFile(PROGRAM, args, options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), text: stdout + stderr }),
    );
  });

test('no request of Schemathesis gets an answer that is not described', {
  skip: schemathesisMissing(),
}, async () => {
  await using admin = await startAdmin({
    operations: [],
    env: { GRANTABLE_ADMINISTRATION_LIMIT: '1000000/1m' },
  });
  const ask = () =>
    run(admin.server.dataDir, [
      `--config-file=${join(ROOT, 'test/schemathesis/schemathesis.toml')}`,
      'run',
      join(ROOT, 'docs/openapi.json'),
      `--url=${admin.base}`,
      `--header=Authorization: Bearer ${admin.tokens.server}`,
    ]);
  const first = await ask();
  const { code, text } = first.text.includes(FAULT_OF_PYTHON) ? await ask() : first;
  assert.equal(code, 0, text);
  assert.match(text, new RegExp(`Tested: +${operations.length}\\b`), text);
});
