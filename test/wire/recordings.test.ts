import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { loadRecordings } from './recordings.ts';

const step = {
  name: 'A client asks',
  source: 'contract 1',
  request: { method: 'POST', path: '/token' },
  response: { status: 200, body: { token: '{{token=string}}' } },
};
const use = {
  name: 'It is revoked',
  source: 'decided: here',
  revoke: { token: 'token', as: 'shop' },
};

describe('An unknown field of a recording is an error', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'grantable-recordings-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const load = (recording: unknown, name = 'one.json') => {
    writeFileSync(join(folder, name), JSON.stringify(recording));
    return loadRecordings(folder);
  };

  test('one that says all it must is read', () => {
    const [read] = load({ title: 'x', steps: [step, use] });
    assert.equal(read?.fixture, 'default');
    assert.equal(read.steps.length, 2);
  });

  test('and every other is refused', () => {
    const wrong: [unknown, RegExp][] = [
      [{ title: 'x', steps: [] }, /steps/],
      [{ title: 'x', steps: [step, use], more: 1 }, /more/],
      [{ title: 'x', steps: [{ ...step, more: 1 }, use] }, /more/],
      [{ title: 'x', steps: [{ ...step, request: { ...step.request, more: 1 } }, use] }, /more/],
      [{ title: 'x', steps: [{ ...step, response: { ...step.response, more: 1 } }, use] }, /more/],
      [{ title: 'x', steps: [{ ...step, source: 'somewhere' }, use] }, /source/],
      [{ title: 'x', steps: [{ ...step, response: { status: 200 } }, use] }, /body/],
      [{ title: 'x', steps: [{ ...step, response: undefined }] }, /without a response/],
      [{ title: 'x', steps: [step, { ...use, advance: 1 }] }, /exactly one thing/],
      [{ title: 'x', steps: [{ name: 'It does nothing', source: 'contract 1' }] }, /exactly one thing/],
      [{ title: 'x', steps: [step] }, /token is captured and never used/],
      [{ title: 'x', steps: [use] }, /nothing was captured as token/],
      [
        { title: 'x', steps: [{ ...step, response: { status: 200, body: '{{nonsense}}' } }] },
        /there is no {{nonsense}}/,
      ],
    ];
    for (const [recording, pattern] of wrong) {
      assert.throws(() => load(recording), pattern, JSON.stringify(recording));
    }
    assert.throws(() => load({}, 'a.txt'), /is no recording/);
  });
});
