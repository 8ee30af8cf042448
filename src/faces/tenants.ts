/** Whose face answers a request, and as which client. */
import type { ActiveApplication, DirectoryView } from '../directory/directory.ts';
import { isNounId, isRegistered, type Organization } from '../nouns/index.ts';
import { clientIdOfFace } from './client-id.ts';
import type { Face, Named, Tenant } from './face.ts';

async function findOrganization(view: DirectoryView, name: string | undefined, host: string) {
  if (name === undefined) return view.findOrganizationOf(host);
  if (!isNounId(name)) return view.findOrganizationNamed(name);
  const organization = await view.findOrganization(name);
  return organization?.enabled ? organization : undefined;
}

/**
 * The one that the path names, else that of the settings, else the organization as a client of its own, else its first
 * application with a resource.
 */
async function findApplication(
  view: DirectoryView,
  organization: Organization,
  named: string | undefined,
  configured: string | undefined,
): Promise<ActiveApplication | undefined> {
  if (named !== undefined && !isNounId(named)) return view.findApplicationNamed(organization.id, named);
  const id = named ?? configured;
  if (id !== undefined) return view.findApplicationById(id);
  const own = await view.findOrganizationClient(organization.id);
  return own ?? view.findFirstApplication(organization.id);
}

/**
 * @param host decides where no organization is named
 * @returns undefined if the face is switched off there, or what is named does not exist
 */
export async function findTenant(
  face: Face,
  view: DirectoryView,
  named: Named,
  host = '',
): Promise<Tenant | undefined> {
  const organization = await findOrganization(view, named.organization, host);
  const settings = organization?.faces?.[face.name];
  if (!organization || !settings?.enabled) return undefined;
  const active = await findApplication(view, organization, named.application, settings.application);
  if (active?.application.organization !== organization.id) return undefined;
  // The organization as a client of its own is not one of its applications.
  if (active.application.isOrganization && named.application !== undefined) return undefined;
  // A registered application has neither users nor settings for an older API.
  if (isRegistered(active.application)) return undefined;
  const { jwks: _, ...application } = active.application;
  const client = {
    organization,
    application: {
      ...application,
      clientId: clientIdOfFace(organization.name, face.name),
      authMethod: 'none' as const,
      secrets: [],
      grants: face.grants(application.grants),
    },
  };
  return { organization, settings, client };
}
