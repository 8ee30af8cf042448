/** Trying out a database that people log in against. */
import { z } from 'zod';
import { testDatasource } from '../datasources.ts';
import { defineOperation } from './operation.ts';
import { requireControlled } from './path-nouns.ts';

const testBody = z
  .strictObject({
    username: z.string().min(1).max(200).exactOptional().describe('A login to try; its row is looked for.'),
    password: z.string().max(1_000).exactOptional().describe('Absent: only the row is looked at.'),
  })
  .default({});

const testResult = z.strictObject({
  isGood: z.boolean().describe('Every step was.'),
  steps: z
    .array(z.strictObject({ isGood: z.boolean(), says: z.string().describe('A sentence.') }))
    .describe('In the order they were done. The first that fails ends what stands on it.'),
});

/** What the server learned of a host that does not answer as a database is not for an administrator (a port scan). */
const AWAY = 'It does not answer as a database, or not with these credentials.';

export const testDatasourceOperation = defineOperation(
  {
    id: 'datasources.test',
    method: 'POST',
    path: '/organizations/{organization}/datasources/{datasource}/test',
    summary:
      'Tries the database out step by step: it answers, its tables and columns are there, a login works. Tables that are found count as verified.',
    needs: { table: 'datasources', action: 'update' },
    dangerous: true,
    body: testBody,
    result: testResult,
  },
  async (call, deps) => {
    const { actor, organization, parameters, body } = call;
    const { datasource: id } = parameters;
    const datasource = await requireControlled('datasources', id, ['userTables'], call, deps);
    await deps.throttle.datasourceTest(organization.id);
    const { username, password = '' } = body;
    const login = username === undefined ? undefined : { username, password };
    const found = await Array.fromAsync(testDatasource(datasource, login, deps, actor.author));
    const steps = found.map(({ ok, says, isAway }) => ({ isGood: ok, says: isAway ? AWAY : says }));
    return { body: { isGood: steps.every(({ isGood }) => isGood), steps } };
  },
);
