/** A dry run shows each field that would change. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { formatReport } from '../../src/apply/report.ts';
import { type Administration, fileOf, openAdministration } from '../admin/fixture.ts';
import {
  changedFile,
  fieldsOf,
  file,
  HASH,
  type JsonSchema,
  NEW_HASH,
  NEW_SECRET,
  NOUN_LISTS,
  nouns,
  SECRET,
} from './examples.ts';

describe('a dry run shows a change of', () => {
  let administration: Administration;
  const endings: (() => unknown)[] = [];

  before(async () => {
    const whole = { after: (end: () => unknown) => void endings.push(end) };
    administration = await openAdministration(whole, { GRANTABLE_DATASOURCE_HOSTS: 'db.acme.example' });
    await administration.apply(fileOf(file));
  });
  after(async () => {
    for (const end of endings) await end();
  });

  for (const [kind, noun] of Object.entries(nouns)) {
    const schema = z.toJSONSchema(noun.schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    const isNounList = (path: string) =>
      kind === 'organization' && NOUN_LISTS.includes(path.split('[')[0] ?? '');
    for (const field of fieldsOf(schema).filter(({ path }) => !isNounList(path))) {
      test(`${kind}: ${field.path}`, async () => {
        const example = noun.examples[field.path] ?? {};
        const apply = async () =>
          administration.apply(fileOf(changedFile(noun, field, example)), {
            dryRun: true,
            resetPasswords: true,
          });
        if (example.refused) return assert.rejects(apply, example.refused);
        const report = await apply();
        const text = formatReport(report).join('\n');
        for (const secret of [SECRET, NEW_SECRET, HASH, NEW_HASH, 'sealed'])
          assert.ok(!text.includes(secret), text);
        const changes = report.changes.filter(({ name }) => noun.name.test(name));
        if (example.isKey) {
          assert.ok(
            report.changes.some(({ action }) => action === 'added'),
            text,
          );
          return;
        }
        const shown = example.shownAs ?? field.path.split('[')[0];
        const found = changes.flatMap(({ fields }) => fields).find((each) => each.field === shown);
        assert.ok(found, `${shown} is not shown:\n${text}`);
        if (example.isSecret) assert.deepEqual(found, { field: shown });
        else assert.notEqual(found.to ?? found.from, undefined, text);
      });
    }

    test(`${kind}: each example is of a field`, () => {
      const known = new Set(fieldsOf(schema).map(({ path }) => path));
      assert.deepEqual(
        Object.keys(noun.examples).filter((path) => !known.has(path)),
        [],
      );
    });
  }
});
