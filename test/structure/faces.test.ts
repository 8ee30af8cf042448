/** The core names no older token API: it gets what it needs to know of them from the list in src/faces/index.ts. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { builtInFaces } from '../../src/faces/index.ts';

/** `API Maker` is found as `apiMaker` and `api-maker` too. */
const titles = builtInFaces.map(({ title }) => title.replaceAll(' ', '[ -]?'));
const FACE = new RegExp(titles.join('|'), 'i');

/** The name that a type of authorization details has in tokens, which clients rely on. */
const ON_THE_WIRE = "export const DEVICE_ACCESS = 'devicehive';";

test('outside of src/faces the code names no face', () => {
  const files = globSync('{src,adapters}/**/*.ts', { exclude: ['src/faces/**'] });
  assert.ok(files.length > 200);
  const named = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => FACE.test(line) && line !== ON_THE_WIRE)
      .map((line) => `${file}: ${line.trim()}`),
  );
  assert.deepEqual(named, []);
});

test('the name of a face is found however it is written', () => {
  for (const text of ['Sunbreak', 'apiMaker', 'api-maker', 'API Maker', 'devicehive'])
    assert.match(text, FACE);
  for (const { name } of builtInFaces) assert.match(name, FACE);
});
