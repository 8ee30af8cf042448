/** The client takes nothing of the server but types, so it runs where programs of administrators run. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { operations } from '../../src/admin/operations/index.ts';
import { TABLE } from '../../src/admin-client/table.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDER = join(ROOT, 'src', 'admin-client');
/** Of values, and of types only. */
const IMPORT = /^(?:import|export) (type )?\{[^}]*\} from '([^']+)'/gm;
const run = promisify(execFile);

describe('grantable/admin', () => {
  test('at run time it imports its own files and those of grantable/client', () => {
    const found: string[] = [];
    for (const file of readdirSync(FOLDER)) {
      const text = readFileSync(join(FOLDER, file), 'utf8');
      for (const [, kind = '', from = ''] of text.matchAll(IMPORT)) {
        if (kind === '' && !from.startsWith('./')) found.push(`${file} ${from}`);
      }
    }
    assert.deepEqual(found, ['send.ts ../client/endpoint.ts']);
  });

  test('it is published as grantable/admin', async () => {
    const script = `import { createAdmin } from 'grantable/admin'; console.log(typeof createAdmin);`;
    const { stdout } = await run(
      process.execPath,
      ['--conditions=grantable-source', '--input-type=module', '--eval', script],
      { cwd: ROOT },
    );
    assert.equal(stdout, 'function\n');
  });

  test('its table has every operation', () => {
    assert.deepEqual(
      Object.keys(TABLE),
      operations.map(({ id }) => id),
    );
  });
});
