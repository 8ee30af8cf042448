import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDER = join(ROOT, 'src', 'client');
const run = promisify(execFile);

describe('the client runs anywhere', () => {
  test('it imports nothing from outside its folder', () => {
    const files = readdirSync(FOLDER);
    let imports = 0;
    for (const file of files) {
      const text = readFileSync(join(FOLDER, file), 'utf8');
      for (const [, from = ''] of text.matchAll(/\b(?:from|import|require)\s*\(?\s*['"`]([^'"`]+)['"`]/g)) {
        assert.ok(from.startsWith('./') && files.includes(from.slice(2)), `${file} imports ${from}`);
        imports += 1;
      }
    }
    assert.ok(imports > 5);
  });

  test('it needs nothing that a browser does not have', async () => {
    const options = ['--ignoreConfig', '--noEmit', '--strict', '--exactOptionalPropertyTypes'];
    const syntax = ['--erasableSyntaxOnly', '--verbatimModuleSyntax', '--allowImportingTsExtensions'];
    const browser = ['--target', 'es2022', '--lib', 'es2022,dom', '--types', ''];
    const modules = ['--module', 'esnext', '--moduleResolution', 'bundler'];
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    await run(process.execPath, [
      tsc,
      ...[options, syntax, browser, modules].flat(),
      join(FOLDER, 'index.ts'),
    ]).catch(({ stdout }) => assert.fail(String(stdout)));
  });

  test('it is published as grantable/client', async () => {
    const script = `import { createClient } from 'grantable/client'; console.log(typeof createClient);`;
    const { stdout } = await run(
      process.execPath,
      ['--conditions=grantable-source', '--input-type=module', '--eval', script],
      { cwd: ROOT },
    );
    assert.equal(stdout, 'function\n');
  });

  test('it keeps no process from ending', async () => {
    const script = `
      import { createClient } from '${pathToFileURL(join(FOLDER, 'index.ts'))}';
      let now = 0;
      const answer = { access_token: 'a', refresh_token: 'r', token_type: 'Bearer', expires_in: 3600 };
      const client = createClient({
        issuer: 'https://login.example',
        clientId: 'app',
        fetch: async () => Response.json(answer),
        now: () => now,
      });
      await client.login('ann', 'secret');
      now = 3_590_000;
      await client.getToken();
      await client.revoke();
      console.log(performance.now());
    `;
    // Shorter than the client waits for an answer.
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: 20_000,
    });
    assert.ok(Number(stdout) > 0);
  });
});
