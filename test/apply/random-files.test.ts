/** Random apply files: an organization that was made from one is written back as a file that changes nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseApplyFile } from '../../src/apply/file.ts';
import { formatReport } from '../../src/apply/report.ts';
import { writeApplyFile } from '../../src/apply/write-file.ts';
import { fileOf, openAdministration } from '../admin/fixture.ts';
import { randomApplyFile } from '../support/random-apply.ts';

const FILES = process.env.GRANTABLE_TEST_FIGURES === undefined ? 100 : 10_000;
const FIRST = Number(process.env.GRANTABLE_TEST_SEED ?? 1) * 1_000_000;

test(`${FILES} random files: applied, written back and applied, nothing changes`, async (t) => {
  const { apply, storage, config } = await openAdministration(t);
  const settings = { accessTokenTtl: config.ttl.accessToken };
  for (let seed = FIRST; seed < FIRST + FILES; seed += 1) {
    const content = randomApplyFile(seed);
    const describe = () => `seed ${seed}: ${JSON.stringify(content)}`;
    const file = fileOf(content);
    await apply(file).catch((error) => assert.fail(`${error}\n${describe()}`));
    const organization = await storage.directory.organizations.findBy('name', `o${seed}`);
    assert.ok(organization);
    const text = await writeApplyFile(organization, storage.directory, settings);
    assert.ok(!text.includes('cannot say'), `${text}\n${describe()}`);
    for (const again of [parseApplyFile(text, 'written'), file]) {
      const report = await apply(again, { comparePasswords: false });
      assert.deepEqual(report.changes, [], `${formatReport(report).join('\n')}\n${text}\n${describe()}`);
    }
  }
});
