/** What pages for people need of the engine: the step that is due, and handing back what was decided. */
import type { Context } from 'koa';
import { errors, type InteractionResults, type Provider } from 'oidc-provider';
import { type Agreed, agree, agreeToAll, clear } from '../tokens/consent.ts';
import type { ConsentParties, RememberedConsents } from '../tokens/remembered-consents.ts';
import { findGrantOfSession } from './existing-grant.ts';
import { type AskedTables, type FindAskedTables, toAgreement } from './table-consent.ts';

/** An authorization request that waits for a person. */
export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** What a page decided. */
export type InteractionResult = InteractionResults;

/** Who is logged in with a browser. */
export interface BrowserSession {
  /** The person's subject. */
  readonly subject: string;
  /** Milliseconds, a whole second: when they proved who they are. */
  readonly loggedInAt: number;
  /** Client ids of the applications that they used since. */
  readonly clientIds: readonly string[];
}

export type Interactions = ReturnType<typeof createInteractions>;

interface Missing {
  readonly missingOIDCScope?: readonly string[];
  readonly missingOIDCClaims?: readonly string[];
  readonly missingResourceScopes?: Readonly<Record<string, readonly string[]>>;
}

export function createInteractions({
  provider,
  findAskedTables,
  consents,
}: {
  provider: () => Provider;
  findAskedTables: FindAskedTables;
  consents: Pick<RememberedConsents, 'find' | 'add'>;
}) {
  /** One that another tab has got since this request was shown: all of a session's must end with its logout. */
  async function findOfSession(uid: string | undefined, parties: ConsentParties) {
    const session = uid === undefined ? undefined : await provider().Session.findByUid(uid);
    const grant = await findGrantOfSession(provider(), session, parties);
    if (!grant) return undefined;
    // What was revoked since does not come back with what is agreed to here.
    clear(grant);
    const remembered = await consents.find(parties);
    if (remembered) agreeToAll(grant, remembered);
    return grant;
  }

  return {
    /** Undefined if no person is logged in with this browser. Whether the login was ended since is not asked. */
    async findSession(ctx: Context): Promise<BrowserSession | undefined> {
      const { accountId, loginTs, authorizations = {} } = await provider().Session.get(ctx);
      if (accountId === undefined || loginTs === undefined) return undefined;
      return { subject: accountId, loggedInAt: loginTs * 1000, clientIds: Object.keys(authorizations) };
    },
    /** What the person agreed to before and has not been revoked; undefined if that is nothing. */
    findAgreed: (parties: ConsentParties): Promise<Agreed | undefined> => consents.find(parties),
    /** The tables that a consent to this request is about; undefined if it is about none. */
    async findTables({ params, session }: Interaction): Promise<AskedTables | undefined> {
      const accountId = session?.accountId;
      if (accountId === undefined) return undefined;
      return findAskedTables({ params, clientId: String(params.client_id), accountId });
    },
    /** The one whose cookie this browser has; undefined if it has none, or it has expired. */
    async find(ctx: Context): Promise<Interaction | undefined> {
      try {
        return await provider().interactionDetails(ctx.req, ctx.res);
      } catch (error) {
        if (error instanceof errors.SessionNotFound) return undefined;
        throw error;
      }
    },
    /** 303 to where the engine goes on, so that what was posted here is never posted to the client (AZ-14). */
    async finish(ctx: Context, decision: InteractionResult): Promise<void> {
      const returnTo = await provider().interactionResult(ctx.req, ctx.res, decision);
      ctx.status = 303;
      ctx.redirect(returnTo);
    },
    /**
     * Adds all that the stored request asks for to the person's consent to this client, and remembers it.
     * @param tables as they were shown
     * @returns the id of the Grant
     */
    async grant(
      { grantId, session, params, prompt }: Interaction,
      parties: ConsentParties,
      tables: AskedTables | undefined,
    ): Promise<string> {
      const { Grant } = provider();
      const grant =
        (grantId ? await Grant.find(grantId) : undefined) ??
        (await findOfSession(session?.uid, parties)) ??
        new Grant({ accountId: session?.accountId ?? '', clientId: String(params.client_id) });
      const missing = prompt.details as Missing;
      if (missing.missingOIDCScope) grant.addOIDCScope(missing.missingOIDCScope.join(' '));
      if (missing.missingOIDCClaims) grant.addOIDCClaims([...missing.missingOIDCClaims]);
      for (const [resource, scopes] of Object.entries(missing.missingResourceScopes ?? {})) {
        grant.addResourceScope(resource, scopes.join(' '));
      }
      if (tables) agree(grant, tables.resource.identifier, tables.permissions, parties.client.application);
      await consents.add(parties, toAgreement(params, tables));
      return grant.save();
    },
  };
}
