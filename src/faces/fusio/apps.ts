/** The applications that a person registered. Only that person sees them. */
import { type ApplicationFacts, displayNameOf } from '../../changes/applications.ts';
import { RegistrationClosed } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import type { Application, User } from '../../nouns/index.ts';
import type { JsonObject } from '../../permissions/json.ts';
import { defined } from '../../storage/defined.ts';
import { type FaceRequest, type FaceRoutes, insteadOf, Reply } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { type Person, requirePerson } from './access.ts';
import { malformed } from './failures.ts';
import { authorFor, fieldsOf, findList, requireText, toDateTime } from './requests.ts';
import { findScopes, pickScopes, within } from './scopes.ts';

const PER_PAGE = 16;
const MOST_PER_PAGE = 1024;
const TOO_MANY = 'Maximal amount of apps reached. Please delete another app in order to register a new one';
const ACTIVE = 1;
const DEACTIVATED = 3;

/** @returns 0 for anything else */
const toNumber = (text: string | null): number => (/^\d{1,9}$/.test(text ?? '') ? Number(text) : 0);

const toEntry = (application: Application, { number: userId }: User) => ({
  id: application.number,
  userId,
  status: application.enabled ? ACTIVE : DEACTIVATED,
  name: displayNameOf(application),
  url: application.homepage ?? '',
  appKey: application.clientId,
  metadata: null,
  date: toDateTime(application.createdAt),
});

/** Ids are texts here, and numbers where something is shown. */
const done = (message: string, { number }: Application) => ({ success: true, message, id: String(number) });

export function createAppRoutes({ users, applications }: FaceParts): FaceRoutes {
  async function requireOwn(request: FaceRequest): Promise<Person & { application: Application }> {
    const person = await requirePerson(request, users);
    const own = await applications.findOwn(person.user);
    const application = own.find(({ number }) => String(number) === request.params.id);
    if (!application) throw new Refusal(404, 'Could not find app');
    return { application, ...person };
  }

  /** @param before what stays as it is where nothing is said of it */
  async function readFacts(
    { view, client }: FaceRequest,
    fields: JsonObject,
    { user, token }: Person,
    before?: Application,
  ): Promise<ApplicationFacts> {
    const asked = findList(fields, 'scopes') ?? before?.scopes ?? [];
    const scopes = pickScopes(asked, within(await findScopes(view, client.application, user), token));
    if (scopes.length === 0) throw malformed('Provide at least one valid scope for the app');
    const isKept = before && fields.name === undefined;
    const name = isKept ? displayNameOf(before) : requireText(fields, 'name', 'Invalid name');
    const url = fields.url ?? (Object.hasOwn(fields, 'url') ? '' : before?.homepage) ?? '';
    if (typeof url !== 'string') throw malformed('Invalid url format');
    return { name, scopes, ...defined({ homepage: url === '' ? undefined : url }) };
  }

  return {
    async 'GET /consumer/app'(request) {
      const { user } = await requirePerson(request, users);
      const { query } = request;
      const search = (query.get('search') ?? '').toLowerCase();
      const own = await applications.findOwn(user);
      const found = own.filter((each) => displayNameOf(each).toLowerCase().includes(search));
      const startIndex = toNumber(query.get('startIndex'));
      const count = toNumber(query.get('count'));
      const itemsPerPage = count < 1 || count > MOST_PER_PAGE ? PER_PAGE : count;
      const newestFirst = found.toReversed().slice(startIndex, startIndex + itemsPerPage);
      const entry = newestFirst.map((each) => toEntry(each, user));
      return { totalResults: found.length, startIndex, itemsPerPage, entry };
    },

    async 'POST /consumer/app'(request) {
      const person = await requirePerson(request, users);
      const { user } = person;
      const facts = await readFacts(request, fieldsOf(request), person);
      const through = await request.view.findApplicationById(request.client.application.id);
      if (!through) throw new Refusal(404, 'Could not find app');
      const { application } = await applications
        .register(facts, user, through.application, authorFor(request, user))
        .catch(insteadOf(RegistrationClosed, () => malformed(TOO_MANY)));
      return new Reply(201, done('App successfully created', application));
    },

    async 'GET /consumer/app/:id'(request) {
      const { application, user } = await requireOwn(request);
      const { id, status, name, url, appKey } = toEntry(application, user);
      const appSecret = (await applications.showSecret(application, authorFor(request, user))) ?? null;
      return { id, status, name, url, appKey, appSecret, scopes: application.scopes, tokens: [] };
    },

    async 'PUT /consumer/app/:id'(request) {
      const { application, ...person } = await requireOwn(request);
      const facts = await readFacts(request, fieldsOf(request), person, application);
      await applications.update(application, facts, authorFor(request, person.user));
      return done('App successfully updated', application);
    },

    async 'DELETE /consumer/app/:id'(request) {
      const { application, user } = await requireOwn(request);
      await applications.remove(application, authorFor(request, user));
      return done('App successfully deleted', application);
    },
  };
}
