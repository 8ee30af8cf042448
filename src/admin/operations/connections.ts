/** What is done with a connection beside changing what is written of it. */
import { z } from 'zod';
import { defined } from '../../storage/defined.ts';
import { findConnectionUse } from '../connections.ts';
import { MOST_COUNTED } from '../living.ts';
import { defineOperation } from './operation.ts';
import { requireControlled, requireNoun } from './path-nouns.ts';
import { counted, moment, toMoment } from './shapes.ts';

const useShape = z.strictObject({
  state: z.enum(['alive', 'expired', 'disabled']),
  secrets: z
    .array(z.strictObject({ id: z.uuid(), createdAt: moment }))
    .describe('The connection tokens that are good, newest first; never their values.'),
  lastUse: z
    .strictObject({
      at: moment.describe('At most a minute before the last use.'),
      address: z.string(),
      networks: z.array(z.string()).describe('From which it was used, latest first.'),
    })
    .exactOptional(),
  tokens: counted.describe('Access tokens made from it that have not expired.'),
});

export const getConnectionUse = defineOperation(
  {
    id: 'connections.use',
    method: 'GET',
    path: '/organizations/{organization}/connections/{connection}/use',
    summary: 'Shows when and from where the connection was used last, and how many tokens hang below it.',
    needs: { table: 'connections', action: 'read' },
    result: useShape,
  },
  async (call, deps) => {
    const { connection: id } = call.parameters;
    const connection = await requireNoun('connections', id, call, deps, { action: 'read' });
    const { state, secrets, lastUse, tokens } = await findConnectionUse(connection, deps, MOST_COUNTED);
    return {
      body: defined({
        state,
        secrets: secrets.map(({ id, createdAt }) => ({ id, createdAt: toMoment(createdAt) })),
        lastUse: lastUse && { ...lastUse, at: toMoment(lastUse.at), networks: [...lastUse.networks] },
        tokens,
      }),
    };
  },
);

export const rotateConnection = defineOperation(
  {
    id: 'connections.rotate',
    method: 'POST',
    path: '/organizations/{organization}/connections/{connection}/rotate',
    summary: 'Gives the connection a new token; the newest one before stays good until it is dropped.',
    needs: { table: 'connections', action: 'update' },
    dangerous: true,
    result: z.strictObject({
      token: z.string().meta({ secret: true }).describe('The connection token. It is not shown again.'),
      createdAt: moment,
    }),
  },
  async (call, deps) => {
    const { actor, parameters } = call;
    const before = await requireControlled('connections', parameters.connection, ['secrets'], call, deps);
    const { connection, token } = await deps.connections.rotate(before, actor.author);
    const [newest] = connection.secrets;
    return {
      body: { token, createdAt: toMoment(newest?.createdAt ?? deps.now()) },
      version: connection.version,
    };
  },
);

/** It only takes away, so it does not take the rights that the connection has. */
export const dropEarlierConnectionTokens = defineOperation(
  {
    id: 'connections.dropEarlier',
    method: 'POST',
    path: '/organizations/{organization}/connections/{connection}/drop-earlier',
    summary: 'Drops all connection tokens but the newest, and ends what was made with them.',
    needs: { table: 'connections', action: 'update' },
    status: 204,
  },
  async (call, deps) => {
    const { actor, parameters } = call;
    const access = { action: 'update', columns: ['secrets'] } as const;
    const before = await requireNoun('connections', parameters.connection, call, deps, access);
    const { version } = await deps.connections.dropEarlier(before, actor.author);
    return { version };
  },
);
