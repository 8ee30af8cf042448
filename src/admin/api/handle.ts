/** One request for one operation: this file is the order in which it is looked at. */
import type { Context } from 'koa';
import { DomainError, NotAllowed, NotFound } from '../../errors/domain.ts';
import { reasonOf } from '../../errors/reason.ts';
import type { Limit } from '../../http/throttle.ts';
import { MANAGEMENT } from '../../nouns/built-in.ts';
import type { Organization } from '../../nouns/index.ts';
import { toStored } from '../../permissions/stored.ts';
import type { Counters, DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { Refusals } from '../../storage/refusals.ts';
import type { Vault } from '../../storage/vault.ts';
import type { OperationDeps } from '../operations/deps.ts';
import type { Answer, Call } from '../operations/operation.ts';
import { reserve } from '../operations/reserved.ts';
import type { Actor } from '../rights/actor.ts';
import { type Guards, requireCell, requireOrganization } from '../rights/guards.ts';
import { chooseMedia, sendAnswer } from './answers.ts';
import { type AuthenticateDeps, challenge, createAuthenticate, TokenMissing } from './authenticate.ts';
import { readJsonBody } from './body.ts';
import { boundQuery, createCursors } from './cursors.ts';
import { translate } from './failures.ts';
import { createRunOnce, type IdempotencyDeps, readIdempotencyKey } from './idempotency.ts';
import { requireIfMatch } from './preconditions.ts';
import { readQuery } from './query.ts';
import { createRateLimit } from './rate-limit.ts';
import type { Found } from './router.ts';

export interface HandleDeps extends AuthenticateDeps, IdempotencyDeps {
  readonly issuer: string;
  readonly vault: Pick<Vault, 'seal' | 'open' | 'ring'>;
  readonly counters: Pick<Counters, 'increment'>;
  /** Requests of one actor. */
  readonly limit: Limit;
  readonly store: Pick<DirectoryStore, 'organizations'>;
  readonly guards: Pick<Guards, 'requireFresh'>;
  readonly refusals: Pick<Refusals, 'append'>;
  readonly operationDeps: OperationDeps;
}

export type Handle = (ctx: Context, found: Found) => Promise<void>;

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** @returns with the UUIDs in the spelling that stores have. @throws NotFound for what cannot be the id of an object */
function requireIds({ operation, parameters }: Found): Record<string, string> {
  const ids = Object.entries(parameters).map(([name, value]) => {
    if (name === 'organization') return [name, value];
    const own = operation.parameters?.[name];
    if (!(own ?? UUID).test(value)) throw new NotFound();
    return [name, own ? value : value.toLowerCase()];
  });
  return Object.fromEntries(ids);
}

export async function createHandle(deps: HandleDeps): Promise<Handle> {
  const { issuer, store, guards, refusals, operationDeps, now } = deps;
  const authenticate = createAuthenticate(deps);
  const takeRequest = createRateLimit(deps);
  const runOnce = createRunOnce(deps);
  const cursors = createCursors(await deps.vault.ring('cursors'));

  /**
   * The organization that a path names. The bearer of a token for one organization is told of others the same as of
   * unknown ones, without a look at the store.
   * @throws NotFound; NotAllowed for an operation that concerns the whole server
   */
  async function findOrganization(actor: Actor, { operation, parameters }: Found): Promise<Organization> {
    const { organization: own } = actor;
    if (!operation.path.includes('{organization}')) {
      if (own) {
        throw new NotAllowed({
          description: `This takes a token for the resource ${issuer}/admin, for it concerns the whole server.`,
        });
      }
      return requireFound(await store.organizations.findBy('name', MANAGEMENT.name));
    }
    const { organization: name = '' } = parameters;
    if (!own) return requireFound(await store.organizations.findBy('name', name));
    if (name !== own.name) throw new NotFound();
    return own;
  }

  async function recordRefusal(ctx: Context, actor: Actor | undefined, error: DomainError): Promise<void> {
    const { path, method, state } = ctx;
    const { address, requestId, clientId } = state;
    const entry = defined({
      at: now(),
      event: 'request.refused',
      outcome: 'denied' as const,
      reason: reasonOf(error) ?? 'unknown',
      details: { method, path, status: error.status },
      actor: actor?.author.actor,
      subject: actor?.author.actor,
      client: clientId,
      organization: actor?.organization?.id,
      address,
      requestId,
    });
    await refusals.append(entry, actor !== undefined);
  }

  async function runFor(ctx: Context, found: Found, actor: Actor): Promise<void> {
    const { operation } = found;
    await takeRequest(ctx, actor.key);
    const parameters = requireIds(found);
    const organization = await findOrganization(actor, found);
    const { table, action } = operation.needs;
    requireCell(actor, table, action);
    if (operation.path.includes('{organization}')) {
      requireOrganization(actor, table, action, organization.name);
    }
    if (operation.dangerous) guards.requireFresh(actor);
    const media = chooseMedia(ctx, operation);
    const version = operation.conditional ? requireIfMatch(ctx) : undefined;

    const list = (sent: Readonly<Record<string, string>>): string[] => [
      actor.key,
      operation.id,
      organization.id,
      JSON.stringify(parameters),
      boundQuery(sent),
    ];
    const { query, sent, dryRun } = readQuery(operation, ctx.querystring, (given) =>
      given.after === undefined ? given : { ...given, after: cursors.open(given.after, list(given)) },
    );
    const key = operation.creates ? readIdempotencyKey(ctx.get('Idempotency-Key')) : undefined;
    const { body, text } = await readJsonBody(ctx, operation);

    const facts = { actor, organization, parameters, query, body, version, dryRun };
    const run = (reserved: Call['reserved']): Promise<Answer> =>
      operation.run({ ...facts, reserved } as Call<string, never, never>, operationDeps);
    const answer =
      key === undefined || dryRun
        ? await run(reserve())
        : await runOnce(
            {
              whose: [actor.key, operation.id, organization.id, key],
              content: [ctx.path, JSON.stringify(sent), text],
              rights: JSON.stringify(toStored(actor.permissions)),
              result: operation.result,
            },
            run,
          );
    const signed = withSignedCursor(answer, (next) => cursors.sign(next, list(sent)));
    await sendAnswer(ctx, { status: dryRun ? 200 : (operation.status ?? 200), media }, signed);
  }

  return async (ctx, found) => {
    let actor: Actor | undefined;
    try {
      actor = await authenticate(ctx);
      await runFor(ctx, found, actor);
    } catch (error) {
      if (error instanceof DomainError && (error.status === 401 || error.status === 403)) {
        challenge(ctx, issuer, error);
        if (!(error instanceof TokenMissing)) await recordRefusal(ctx, actor, error);
      }
      throw translate(error, found.operation.conditional === true);
    }
  };
}

function requireFound(organization: Organization | undefined): Organization {
  if (!organization) throw new NotFound();
  return organization;
}

/** Of a list that goes on. */
function withSignedCursor(answer: Answer, sign: (next: string) => string): Answer {
  const { body } = answer;
  if (typeof body !== 'object' || body === null || !('next' in body)) return answer;
  return typeof body.next === 'string' ? { ...answer, body: { ...body, next: sign(body.next) } } : answer;
}
