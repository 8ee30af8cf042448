/** Consent: what a client may see and do. All of it comes from the stored request; the form only says yes (AZ-19). */
import type { Context } from 'koa';
import type { ActiveApplication } from '../directory/directory.ts';
import type { Views } from '../http/views.ts';
import type { Interaction } from '../provider/interactions.ts';
import { FORM_TOKEN, type Forms } from './forms.ts';

export interface ConsentDeps {
  readonly views: Views;
  readonly forms: Forms;
  /** Seconds that a login lasts. */
  readonly loginLifetime: number;
}

interface TableDetail {
  readonly identifier?: string;
  readonly actions?: readonly string[];
  readonly privileges?: readonly string[];
}

const SCOPE_TEXTS: Readonly<Record<string, string>> = {
  openid: 'know who you are',
  profile: 'see your name',
  email: 'see your email address',
  offline_access: 'stay logged in while you are away',
};

function tablesOf({ params }: Interaction): { name: string; actions: string }[] {
  if (typeof params.authorization_details !== 'string') return [];
  const details = JSON.parse(params.authorization_details) as TableDetail[];
  return details.map(({ identifier, actions, privileges }) =>
    privileges?.includes('admin')
      ? { name: 'all tables', actions: 'everything' }
      : { name: identifier ?? '', actions: (actions ?? []).join(', ') },
  );
}

export function showConsent(
  ctx: Context,
  { views, forms, loginLifetime }: ConsentDeps,
  interaction: Interaction,
  client: ActiveApplication,
): void {
  const { uid, params } = interaction;
  const scopes = String(params.scope ?? '')
    .split(' ')
    .filter((scope) => scope !== '');
  ctx.type = 'html';
  ctx.body = views.render('consent', {
    application: client.application.name,
    organization: client.organization.name,
    host: new URL(String(params.redirect_uri)).host || new URL(String(params.redirect_uri)).protocol,
    resource: typeof params.resource === 'string' ? params.resource : undefined,
    scopes: scopes.map((scope) => SCOPE_TEXTS[scope] ?? scope),
    tables: tablesOf(interaction),
    days: scopes.includes('offline_access') ? Math.round(loginLifetime / 86_400) : undefined,
    action: `/interaction/${uid}/consent`,
    cancel: `/interaction/${uid}/abort`,
    tokenName: FORM_TOKEN,
    token: forms.token(uid, 'consent'),
    abortToken: forms.token(uid, 'abort'),
  });
}
