import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedRequest } from '../../src/errors/domain.ts';
import {
  canonicalEmail,
  canonicalUsername,
  findableEmail,
  findableUsername,
} from '../../src/nouns/usernames.ts';
import { floods } from '../accounts/floods.ts';
import fc from '../support/properties.ts';

function isOneName(...names: readonly [string, ...string[]]): void {
  for (const name of names)
    assert.equal(canonicalUsername(name), canonicalUsername(names[0]), JSON.stringify(name));
}

function isTwoNames(one: string, other: string): void {
  assert.notEqual(canonicalUsername(one), canonicalUsername(other));
}

function isNoName(...names: readonly string[]): void {
  for (const name of names) {
    assert.throws(
      () => canonicalUsername(name),
      (error) => error instanceof MalformedRequest && /^The username /.test(error.description ?? ''),
      JSON.stringify(name),
    );
    assert.equal(findableUsername(name), undefined);
  }
}

test('usernames', async (t) => {
  await t.test('of every day stay as they are', () => {
    for (const name of [
      'ann',
      'ann.lee',
      'ann_lee-2',
      "o'neil",
      'ann+shop@acme.example',
      'acme\\ann',
      'josé',
      'ngũgĩ',
    ]) {
      assert.equal(canonicalUsername(name), name);
    }
    for (const name of [
      'иван',
      'θάνοσ',
      '太郎',
      'taro太郎',
      '지민',
      'สมชาย',
      'محمد',
      'שלום',
      'محمد٣',
      'иван@example.com',
    ]) {
      assert.equal(canonicalUsername(name), name);
    }
  });
  await t.test('AC-07 differ in more than case', () => {
    isOneName('admin', 'ADMIN', 'Admin');
    isOneName('straße', 'Straße', 'STRAẞE');
    isOneName('οδος', 'ΟΔΟΣ', 'οδοσ');
    isOneName('istanbul', 'ISTANBUL', 'İstanbul', 'ıstanbul', 'i\u0307stanbul', 'i\u0307\u0307stanbul');
  });
  await t.test('AC-07 differ in more than how they were typed', () => {
    isOneName('kim', '\u212Aim', 'ＫＩＭ', 'ｋim');
    isOneName('josé', 'jose\u0301', 'JOSE\u0301');
    isOneName('ガ', 'ｶﾞ');
    isOneName('ångström', 'a\u030angstro\u0308m', '\u212bngström');
  });
  await t.test('AC-07 have no ligatures, superscripts or other compatibility characters', () => {
    isNoName('ﬁ', 'ad²', 'ªdmin', 'Ⅷ', 'ǅ', '㎏', '\u1d00dmin', 'admın\u00b4');
  });
  await t.test('AC-07 have nothing that cannot be seen, no blanks, no controls', () => {
    isNoName(
      'ad\u200bmin',
      'ad\u200dmin',
      'ad\u2060min',
      'ad\u00admin',
      'ad\u034fmin',
      'admin\ufe0f',
      '\ufeffadmin',
      'ad\u115fmin',
    );
    isNoName(
      'admin ',
      ' admin',
      'ad min',
      'admin\u00a0',
      'admin\u3000',
      'admin\t',
      'admin\n',
      'ad\0min',
      'ad\u202emin',
      'ad\u2066min',
    );
    isNoName('😀', 'a\u20dd', '\u0301a', 'a\u{e0041}', '\ud800', 'ad\udc00min', '\uffff', 'a\u{10ffff}');
  });
  await t.test('AC-07 do not mix alphabets that look alike', () => {
    isNoName(
      '\u0430dmin',
      'аdmin',
      'pаypal',
      'ρaul',
      'ivan\u0456',
      'Иvan',
      'ann@exаmple.com',
      'аnn@example.com',
      'ꓮdmin',
    );
  });
  await t.test('AC-07 wholly made of letters with a Latin double are the Latin name', () => {
    isOneName('coco', 'сосо', 'СОСО');
    isOneName('bob', 'вов', 'ВОВ');
    isOneName('anna'.replace(/n/g, 'h'), 'анна', 'АННА', 'Анна');
    isOneName('kiko', 'κικο', 'ΚΙΚΟ');
    isOneName('ape@example.com', 'аре@example.com');
    isOneName('admin', 'ɑdmin', 'admın');
    isTwoNames('иван', 'ivan');
    isTwoNames('νικος', 'nikos');
  });
  await t.test('AC-07 keep to one writing direction and one kind of digits', () => {
    isNoName('שלוםa', 'aשלום', '1שלום', 'שלום.', 'שלום@example.com', '٣', 'محمد3٣', '3۳', 'user1१');
    assert.equal(canonicalUsername('שלום1'), 'שלום1');
  });
  await t.test('have 1 to 256 characters', () => {
    assert.equal(canonicalUsername('x'.repeat(256)).length, 256);
    isNoName('', 'x'.repeat(257), 'x'.repeat(5_000_000));
  });
  await t.test('AC-07 once canonical stay so, for every letter', () => {
    const alone = Array.from({ length: 0x20000 }, (_, code) => String.fromCodePoint(code));
    const marked = alone.slice(0, 0x3000).flatMap((char) => [`i${char}`, `${char}\u0307`, `ı\u0323${char}`]);
    for (const char of [...alone, ...marked]) {
      const once = findableUsername(char);
      if (once !== undefined) assert.equal(findableUsername(once), once, JSON.stringify(char));
    }
  });
  await t.test('AC-07 once canonical stay so, whatever was typed', () => {
    let canonical = 0;
    const letters = fc.constantFrom(...'aAıIİiKſßςσΣιΙсоаΑνѕӏ@.٣3ä\u0307\u0301\u0323ǆﬁ一ガｶﾞक़');
    const anything = fc.oneof(
      fc.string({ unit: letters, maxLength: 8 }),
      fc.string({ unit: 'binary', maxLength: 3 }),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
    );
    fc.assert(
      fc.property(anything, (name) => {
        const once = findableUsername(name);
        if (once === undefined) return;
        canonical += 1;
        assert.equal(canonicalUsername(once), once);
        assert.equal(findableUsername(name.normalize('NFD')), once);
        assert.equal(findableUsername(name.normalize('NFC')), once);
      }),
      { numRuns: process.env.GRANTABLE_TEST_LONG ? 200_000 : 20_000 },
    );
    assert.ok(canonical > 1_000, `only ${canonical} were names`);
  });
});

test('email addresses', async (t) => {
  await t.test('AC-07 are compared without regard to case', () => {
    assert.equal(canonicalEmail('Ann.Lee+Shop@ACME.Example'), 'ann.lee+shop@acme.example');
    assert.equal(canonicalEmail('ann@localhost'), 'ann@localhost');
    assert.equal(canonicalEmail('\u212Aim@acme.example'), 'kim@acme.example');
  });
  await t.test('AC-07 have their domain as A-labels', () => {
    assert.equal(canonicalEmail('иван@Пример.рф'), 'иван@xn--e1afmkfd.xn--p1ai');
    assert.equal(canonicalEmail('ann@ＡＣＭＥ.example'), 'ann@acme.example');
    assert.notEqual(canonicalEmail('ann@аcme.example'), 'ann@acme.example');
  });
  await t.test('look like one', () => {
    const bad = [
      '',
      '@',
      'ann',
      'ann@',
      '@acme.example',
      'a@b@c',
      'a b@c.d',
      'a@b c.d',
      'a@b..c',
      'a@.b',
      'a@b.',
      '.a@b',
      'a.@b',
      'a..b@c',
    ];
    bad.push(
      'a@-b.c',
      'a@b-.c',
      'a@1.2.3.4',
      'a@[127.0.0.1]',
      'a@0x7f.1',
      'a@ex%61mple',
      'a@b/c',
      'a@b:25',
      'a@b?c',
      'a@b_c',
      '"a"@b.c',
    );
    bad.push(
      'a\n@b.c',
      'a@b.c\n',
      'a@b.c\r\nBcc: x@y.z',
      'a\0@b.c',
      'a@b\0.c',
      'a,b@c.d',
      '<a@b.c>',
      'a@b.c,d@e.f',
      'аdmin@acme.example',
    );
    bad.push(`${'x'.repeat(65)}@acme.example`, `a@${'x'.repeat(64)}.example`, `a@${'x.'.repeat(130)}example`);
    for (const email of bad) {
      assert.throws(() => canonicalEmail(email), MalformedRequest, JSON.stringify(email));
      assert.equal(findableEmail(email), undefined);
    }
  });
});

test('DO-08 100 KB of any character is not a name', () => {
  for (const name of floods(100_000)) {
    assert.equal(findableUsername(name), undefined);
    assert.equal(findableEmail(name), undefined);
  }
});
