import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountSubject } from '../../src/rights/database-accounts.ts';
import { toBody } from '../../src/webhooks/body.ts';

test('the key of a row in a database of the operator is not sent', () => {
  const table = { database: 'main', collection: 'customers', subjectColumn: 'email' };
  const datasource = { id: '1f9d5a52-6c43-4a0b-9d6f-0c1f7f4f2f11' };
  const subject = accountSubject(datasource, table, 'ann@acme.example') ?? '';
  assert.ok(subject.includes('ann'));
  const entry = { at: 0, event: 'account.revoked', outcome: 'changed', actor: subject, subject } as const;
  const { data } = JSON.parse(toBody('evt_1', entry));
  const place = subject.slice(0, subject.lastIndexOf('/'));
  assert.deepEqual([data.actor, data.subject], [place, place]);
});
