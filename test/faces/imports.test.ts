import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const SRC = resolve(import.meta.dirname, '../../src');
const FACES = join(SRC, 'faces');
const IMPORT = /\b(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;

/** What checks passwords, makes tokens, or is the store. */
const FORBIDDEN = [
  /^src\/(?:storage|registry|provider|audit|mail)\//,
  /^src\/directory\/(?:passwords|hash-queue|client-secrets|one-time-tokens|block-list)\.ts$/,
  /^src\/datasources\//,
  /^src\/grants\/(?:issue|grant|cut-down|refresh-token|password|client-credentials)\.ts$/,
  /^adapters\//,
];
/** Of packages a face needs what reads requests and routes them. */
const PACKAGES = ['koa', 'koa-compose', 'path-to-regexp', 'zod'];
/** Shapes that a face has to know by name. */
const SHAPES = [
  'src/storage/contract.ts',
  'src/storage/nouns.ts',
  'src/registry/refresh-jwt.ts',
  'src/directory/one-time-tokens.ts',
];

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

function importsOf(file: string, code: string): string[] {
  return [...code.matchAll(IMPORT)].map(([, from, plain]) => {
    const target = String(from ?? plain);
    return target.startsWith('.') ? relative(dirname(SRC), resolve(dirname(file), target)) : target;
  });
}

const isForbidden = (target: string): boolean => FORBIDDEN.some((pattern) => pattern.test(target));

test('the code of a face checks no password, makes no token and does not touch the store', async (t) => {
  const names = readdirSync(FACES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  assert.deepEqual(names.sort(), ['api-maker', 'devicehive', 'fusio', 'sunbreak', 'usergrid']);
  for (const name of names) {
    await t.test(`${name} runs nothing of the kind`, (sub) => {
      const files = filesOf(join(FACES, name));
      let lines = 0;
      for (const file of files) {
        const source = readFileSync(file, 'utf8');
        lines += source.split('\n').length - 1;
        const runs = importsOf(file, stripTypeScriptTypes(source));
        for (const target of runs) {
          assert.ok(!isForbidden(target), `${relative(SRC, file)} runs ${target}`);
          const isPackage = !target.startsWith('src/') && !target.startsWith('node:');
          assert.ok(!isPackage || PACKAGES.includes(target), `${relative(SRC, file)} runs ${target}`);
          assert.notEqual(target, 'node:sqlite');
        }
        for (const target of importsOf(file, source)) {
          const isShape = SHAPES.includes(target) && !runs.includes(target);
          assert.ok(isShape || !isForbidden(target), `${relative(SRC, file)} knows ${target}`);
        }
      }
      sub.diagnostic(`src/faces/${name}: ${files.length} files, ${lines} lines`);
    });
  }
  await t.test('nor does what they share', () => {
    for (const file of readdirSync(FACES).filter((name) => name.endsWith('.ts'))) {
      const path = join(FACES, file);
      const runs = importsOf(path, stripTypeScriptTypes(readFileSync(path, 'utf8')));
      assert.deepEqual(runs.filter(isForbidden), [], file);
    }
  });
  await t.test('and the check sees what it looks for', () => {
    const code = `import { a } from '../../storage/vault.ts';\nconst b = await import('bcrypt');`;
    const seen = importsOf(join(FACES, 'x', 'y.ts'), code);
    assert.deepEqual(seen, ['src/storage/vault.ts', 'bcrypt']);
    assert.ok(isForbidden('src/storage/vault.ts') && !PACKAGES.includes('bcrypt'));
  });
});
