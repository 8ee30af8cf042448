/** What an application's or organization's owner does through Usergrid's API: secrets, roles, lifetimes. */
import type { Author } from '../../changes/author.ts';
import { type Application, type Resource, type Role, usesSecret } from '../../nouns/index.ts';
import { contains, describeDifference, difference, NOTHING, union } from '../../permissions/permissions.ts';
import { fromStored } from '../../permissions/stored.ts';
import { hasPowerOver } from '../../rights/power.ts';
import { findRights } from '../../rights/rights.ts';
import type { Ask, FaceRequest } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { describeAdministrator, type Envelope, toApplicationEntity } from './entities.ts';
import { noAccess, UsergridRefusal } from './errors.ts';
import { parsePermission, spellPermissions } from './permission-strings.ts';
import { type Answers, authorFor, type Principal, type Principals } from './principals.ts';
import { fieldsOf, parseAccessTokenTtl } from './requests.ts';

/** Who asks, and for what they own. */
type Owned = (request: FaceRequest, ask: Ask) => Promise<readonly [Principal, Application]>;

export function createAdministration(deps: FaceParts, principals: Principals) {
  const { applications, roleChanges, now } = deps;

  async function requireOver(request: FaceRequest, ask: Ask): Promise<Principal> {
    const principal = await principals.require(request, ask);
    if (!hasPowerOver(principal, request.client.application)) throw new UsergridRefusal('unauthorized');
    return principal;
  }

  /** As it is, and not as the client that the face is. */
  async function requireApplication({ view, client }: FaceRequest): Promise<Application> {
    const active = await view.findApplicationById(client.application.id);
    if (!active) throw new UsergridRefusal('service_resource_not_found');
    return active.application;
  }

  const ofApplication: Owned = async (request, ask) => [
    await requireOver(request, ask),
    await requireApplication(request),
  ];

  const ofOrganization: Owned = async (request, ask) => {
    const principal = await principals.require(request, ask);
    if (principal.kind !== 'organization' && principal.kind !== 'administrator') throw noAccess();
    const own = await request.view.findOrganizationClient(request.organization.id);
    if (!own) throw new UsergridRefusal('service_resource_not_found');
    return [principal, own.application];
  };

  const showSecret = (application: Application, author: Author) =>
    applications.showSecret(application, author);

  async function renewSecret(application: Application, author: Author): Promise<string> {
    if (usesSecret(application.authMethod)) return applications.renewSecret(application, author);
    throw new UsergridRefusal('illegal_argument', 'the application has no secret');
  }

  function answerKeys(find: Owned, secretOf: typeof showSecret, action: string) {
    return async (request: FaceRequest, ask: Ask) => {
      const [principal, application] = await find(request, ask);
      const secret = await secretOf(application, authorFor(principal, request));
      // One that an operator chose is kept as a hash, and cannot be shown.
      const credentials = { client_id: application.clientId, client_secret: secret ?? null };
      return { credentials, action, status: 'ok' };
    };
  }

  const keysOf = (find: Owned, what: string): Answers => ({
    GET: answerKeys(find, showSecret, `get ${what}`),
    POST: answerKeys(find, renewSecret, `generate ${what}`),
  });

  /**
   * What the caller may do there: what the token says, where it speaks of that resource. A caller who may do everything
   * with the organization may do so with its other resources too.
   */
  async function findOwnRights(principal: Principal, resource: Resource, { view }: FaceRequest) {
    const { row } = principal;
    if (row.resource === resource.identifier) return fromStored(row.permissions);
    if (principal.kind === 'application') return NOTHING;
    const user = principal.kind === 'administrator' ? principal.user : undefined;
    const active = await view.findApplicationById(row.application);
    const rights = active && (await findRights(view, active.application, resource, user));
    return rights?.permissions ?? NOTHING;
  }

  /** A role of the organization that speaks of a resource of the application; `within`: what the caller may give and take. */
  async function requireRole(request: FaceRequest, ask: Ask) {
    const principal = await requireOver(request, ask);
    const { client, organization, params, view } = request;
    const role = await roleChanges.find(organization, params.role ?? '');
    const isOwn = client.application.ceilings.some(({ resource }) => resource === role?.resource);
    const resource = role?.enabled && isOwn ? await view.findResource(role.resource) : undefined;
    if (!role || !resource) throw new UsergridRefusal('service_resource_not_found');
    return { principal, role, resource, within: await findOwnRights(principal, resource, request) };
  }

  const showRole = (action: Envelope['action'], resource: Resource, role: Role): Envelope => ({
    action,
    path: `/roles/${encodeURIComponent(role.name)}/permissions`,
    entities: [],
    data: spellPermissions(roleChanges.permissionsOf(role), resource),
  });

  return {
    async me(request, ask) {
      const principal = await principals.require(request, ask);
      if (principal.kind !== 'administrator') throw noAccess();
      const { organization, view } = request;
      const all = await view.findApplications(organization.id);
      return {
        access_token: principal.token,
        expires_in: Math.floor(principal.row.expiresAt / 1000) - Math.floor(now() / 1000),
        user: describeAdministrator(principal.user, organization, all),
      };
    },

    applicationKeys: keysOf(ofApplication, 'application keys'),
    organizationKeys: keysOf(ofOrganization, 'organization client credentials'),

    /** Of a role. */
    permissions: {
      async GET(request, ask) {
        const { role, resource } = await requireRole(request, ask);
        return showRole('get', resource, role);
      },

      async POST(request, ask) {
        const { role, resource, within, principal } = await requireRole(request, ask);
        const added = parsePermission(fieldsOf(request.body).permission, resource);
        const changed = await roleChanges.allow(role, added, within, authorFor(principal, request));
        return showRole('post', resource, changed);
      },

      async DELETE(request, ask) {
        const { role, resource, within, principal } = await requireRole(request, ask);
        const texts = request.query.getAll('permission');
        if (texts.length === 0) {
          throw new UsergridRefusal('illegal_argument', "You must supply a 'permission' query parameter");
        }
        const removed = texts.map((text) => parsePermission(text, resource)).reduce(union, NOTHING);
        // Other applications use the role too: what it gives beyond this caller is theirs to take.
        if (!contains(within, removed)) {
          throw new UsergridRefusal('unauthorized', describeDifference(difference(removed, within)));
        }
        const changed = await roleChanges.disallow(role, resource, removed, authorFor(principal, request));
        return showRole('delete', resource, changed);
      },
    },

    async changeApplication(request, ask) {
      const principal = await requireOver(request, ask);
      const seconds = parseAccessTokenTtl(request.body);
      const application = await requireApplication(request);
      const changed = await applications.limitUserTokens(application, seconds, authorFor(principal, request));
      const entities = [toApplicationEntity(changed, request.organization, now())];
      return { action: 'put', path: '/', entities };
    },
  } satisfies Readonly<Record<string, Answers | Answers[string]>>;
}
