/** How a file is told that another noun has a value already. */
import { type CollectionName, type Nouns, nameOf } from '../../nouns/index.ts';

type Told = (value: string, holder: Nouns[CollectionName]) => string;

/** Ends of sentences, by unique key. By all other keys entries find their own nouns. */
export const TAKEN: Readonly<Record<string, Told>> = {
  clientId: (clientId) => `the clientId ${clientId} is taken`,
  channel: (value) => `the channel ${value.split('/').at(-1)} is taken`,
  email: (_, holder) => `the email address is ${nameOf(holder)}'s already`,
  identity: (value, holder) => {
    const [, issuer, ...subject] = value.split(' ');
    return `the identity ${subject.join(' ')} of ${issuer} is ${nameOf(holder)}'s already`;
  },
};
