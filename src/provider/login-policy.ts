/** When a person must log in again or be asked again, beyond the engine's own reasons. */
import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { parseUserSubject } from '../directory/subjects.ts';
import { isOnDevice } from '../nouns/redirect-uris.ts';
import { isAgent, isPublicClient } from './clients.ts';
import type { ProviderDeps } from './deps.ts';
import { type FindAskedTables, isAgreed } from './table-consent.ts';

const { Check, Prompt, base } = interactionPolicy;

/** @param reason of the check, as the engine names those of its own, and what it says of the request */
function addCheck(
  policy: interactionPolicy.DefaultPolicy,
  prompt: 'login' | 'consent',
  [reason, description]: readonly [string, string],
  isDue: (ctx: KoaContextWithOIDC) => boolean | Promise<boolean>,
): void {
  const check = new Check(reason, description, `${prompt}_required`, async (ctx: KoaContextWithOIDC) =>
    (await isDue(ctx)) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
  );
  policy.get(prompt)?.checks.add(check);
}

/**
 * The engine asks at every request that spells out tables and at none that leaves them out, although the latter gets
 * all there are: a person who agreed to reading one table would silently give the rest.
 */
function addTableConsent(policy: interactionPolicy.DefaultPolicy, findAskedTables: FindAskedTables): void {
  policy.get('consent')?.checks.remove('rar_prompt');
  addCheck(
    policy,
    'consent',
    ['tables_not_agreed', 'the person has not agreed to what may be done with the tables'],
    async ({ oidc: { params, client, account, entities } }) => {
      if (!params || !client || !account) return true;
      const { clientId } = client;
      const asked = await findAskedTables({ params, clientId, accountId: account.accountId });
      return asked !== undefined && !(entities.Grant && isAgreed(entities.Grant, asked));
    },
  );
}

/** A step without a page, between login and consent: the consent page then shows only what can be given. */
function addLeavingOut(
  policy: interactionPolicy.DefaultPolicy,
  leaveOut: (ctx: KoaContextWithOIDC) => Promise<void>,
): void {
  const check = new Check('left_out', 'never due', async (ctx: KoaContextWithOIDC) => {
    await leaveOut(ctx);
    return Check.NO_NEED_TO_PROMPT;
  });
  const beforeConsent = policy.findIndex(({ name }) => name === 'consent');
  policy.add(new Prompt({ name: 'leaving_out', requestable: false }, check), beforeConsent);
}

/**
 * On a device another program may impersonate a public client, so the person must confirm each time (RFC 8252 section
 * 8.6). The engine would ask for every native client, also for one that authenticates or uses `https`.
 */
function askForEachLoginOnDevices(policy: interactionPolicy.DefaultPolicy): void {
  policy.get('consent')?.checks.remove('native_client_prompt');
  addCheck(
    policy,
    'consent',
    ['another_program_may_answer', 'a public client on a device needs the person at each login'],
    ({ oidc: { client, params, result } }) =>
      isPublicClient(client) && isOnDevice(String(params?.redirect_uri)) && !result?.consent,
  );
}

/** An operator does not answer for an agent, so the person must see what it asks for each time, whatever was agreed to. */
function askForEachLoginOfAgents(policy: interactionPolicy.DefaultPolicy): void {
  addCheck(
    policy,
    'consent',
    ['agent_needs_consent', 'an agent needs the person at each login'],
    ({ oidc: { client, result } }) => isAgent(client) && !result?.consent,
  );
}

/**
 * OpenID Connect Core section 3.1.2.1: a hint that names another person than the one who logged in is an error. The
 * engine compares them before the login only.
 */
function requireHintedPerson(policy: interactionPolicy.DefaultPolicy): void {
  policy.get('login')?.checks.remove('id_token_hint');
  const description = 'id_token_hint and authenticated subject do not match';
  addCheck(policy, 'login', ['id_token_hint', description], ({ oidc: { params, session, result } }) => {
    const hinted = params?.id_token_hint;
    if (hinted === undefined || hinted === session?.accountId) return false;
    // Asking again would not tell the person why.
    if (result?.login) throw new errors.LoginRequired(description);
    return true;
  });
}

/** The engine looks at it when a login begins. A client may lose it before the login ends. */
function requireRedirectUri(policy: interactionPolicy.DefaultPolicy): void {
  addCheck(policy, 'login', ['redirect_uri', 'never due'], ({ oidc: { client, params } }) => {
    if (client?.redirectUriAllowed(String(params?.redirect_uri))) return false;
    throw new errors.InvalidRedirectUri();
  });
}

/**
 * A browser session belongs to a realm and dies with what ended its account's logins. The engine keeps one account
 * per session and never asks whether a client may serve it; at `prompt=none` these checks end in `login_required`.
 */
export function createLoginPolicy({
  registry,
  directory,
  agents,
  findAskedTables,
  leaveOutForPerson,
}: Pick<ProviderDeps, 'registry' | 'directory' | 'agents'> & {
  findAskedTables: FindAskedTables;
  leaveOutForPerson: (ctx: KoaContextWithOIDC) => Promise<void>;
}): interactionPolicy.DefaultPolicy {
  const policy = base();
  requireRedirectUri(policy);
  requireHintedPerson(policy);
  addLeavingOut(policy, leaveOutForPerson);
  addTableConsent(policy, findAskedTables);
  askForEachLoginOnDevices(policy);
  askForEachLoginOfAgents(policy);
  addCheck(
    policy,
    'login',
    ['session_of_another_realm', 'the account of this session does not exist for this client'],
    ({ oidc: { session, account } }) => session?.accountId !== undefined && account === undefined,
  );
  addCheck(
    policy,
    'login',
    ['session_ended', 'the logins of this account were ended'],
    async ({ oidc: { session, client: asking, params } }) => {
      const user = session?.accountId && parseUserSubject(session.accountId);
      if (!user) return false;
      // The engine knows the second only; a login in the very second of the end must count as older.
      const loggedInAt = (session?.loginTs ?? 0) * 1000;
      const request = { clientId: asking?.clientId ?? '', resource: params?.resource };
      const client = await agents.find(await directory.view(), request);
      const above = client ? [client.application.id, client.organization.id] : [];
      return !(await registry.isAlive([user.id, ...above], loggedInAt));
    },
  );
  return policy;
}
