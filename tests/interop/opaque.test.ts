// SPDX-License-Identifier: Apache-2.0
// libs/opaque against @serenity-kit/opaque: each as client and as server, in every combination.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as opaque from '@serenity-kit/opaque';
import { Peer } from './peer';

const keyStretching = { 'argon2id-custom': { iterations: 3, memory: 65536, parallelism: 1 } };
const account = '0194b7e2-6f5c-7d3a-9d55-0242ac120002';

interface Ids {
	client?: string;
	server?: string;
}
interface Client {
	register(password: string, respond: (request: string) => Promise<string>, ids?: Ids): Promise<{ record: string; exportKey: string; serverKey: string }>;
	login(password: string, respond: (ke1: string) => Promise<string>, ids?: Ids): Promise<{ ke3: string; sessionKey: string; exportKey: string; serverKey: string } | undefined>;
}
interface Server {
	publicKey: string;
	register(credential: string, request: string): Promise<string>;
	login(credential: string, record: string | null, ke1: string, ids?: Ids): Promise<{ ke2: string; finish(ke3: string): Promise<string | undefined> }>;
}

const b64 = (text: string | undefined) => (text ? Buffer.from(text, 'utf8').toString('base64url') : '-');
const idWords = (ids?: Ids) => `${b64(ids?.client)} ${b64(ids?.server)}`;

let peer: Peer;
before(() => {
	peer = new Peer('opaque-peer');
});
after(() => peer.close());

async function ask(command: string): Promise<string[]> {
	const [status, ...words] = (await peer.line(command)).split(' ');
	if (status !== 'ok') throw new Error(words.join(' '));
	return words;
}

const ourClient: Client = {
	async register(password, respond, ids) {
		const [request] = await ask(`client-register-start ${b64(password.normalize('NFC'))}`);
		const response = await respond(request!);
		const [record, exportKey, serverKey] = await ask(`client-register-finish ${response} ${idWords(ids)}`);
		return { record: record!, exportKey: exportKey!, serverKey: serverKey! };
	},
	async login(password, respond, ids) {
		const [ke1] = await ask(`client-login-start ${b64(password.normalize('NFC'))}`);
		const ke2 = await respond(ke1!);
		try {
			const [ke3, sessionKey, exportKey, serverKey] = await ask(`client-login-finish ${ke2} ${idWords(ids)}`);
			return { ke3: ke3!, sessionKey: sessionKey!, exportKey: exportKey!, serverKey: serverKey! };
		} catch (err) {
			assert.equal((err as Error).message, 'authentication failed');
			return undefined;
		}
	},
};

const theirClient: Client = {
	async register(password, respond, identifiers) {
		const start = opaque.client.startRegistration({ password });
		const done = opaque.client.finishRegistration({
			password,
			clientRegistrationState: start.clientRegistrationState,
			registrationResponse: await respond(start.registrationRequest),
			keyStretching,
			identifiers,
		});
		return { record: done.registrationRecord, exportKey: done.exportKey, serverKey: done.serverStaticPublicKey };
	},
	async login(password, respond, identifiers) {
		const start = opaque.client.startLogin({ password });
		const done = opaque.client.finishLogin({
			password,
			clientLoginState: start.clientLoginState,
			loginResponse: await respond(start.startLoginRequest),
			keyStretching,
			identifiers,
		});
		return done && { ke3: done.finishLoginRequest, sessionKey: done.sessionKey, exportKey: done.exportKey, serverKey: done.serverStaticPublicKey };
	},
};

/** Our server. It answers from one process, so logins are one after the other. */
async function ourServer(setup?: { privateKey: string; seed: string }): Promise<Server> {
	const words = setup ? await ask(`setup ${setup.privateKey} ${setup.seed}`) : await ask('setup-new');
	return {
		publicKey: words.at(-1)!,
		register: async (credential, request) => (await ask(`server-register ${b64(credential)} ${request}`))[0]!,
		async login(credential, record, ke1, ids) {
			const [ke2] = await ask(`server-login ${b64(credential)} ${record ?? '-'} ${ke1} ${idWords(ids)}`);
			return {
				ke2: ke2!,
				finish: async (ke3) => (await ask(`server-finish ${ke3}`).catch(() => [undefined]))[0],
			};
		},
	};
}

function theirServer(serverSetup = opaque.server.createSetup()): Server {
	return {
		publicKey: opaque.server.getPublicKey(serverSetup),
		register: async (userIdentifier, registrationRequest) =>
			opaque.server.createRegistrationResponse({ serverSetup, userIdentifier, registrationRequest }).registrationResponse,
		async login(userIdentifier, registrationRecord, startLoginRequest, identifiers) {
			const start = opaque.server.startLogin({ serverSetup, userIdentifier, registrationRecord, startLoginRequest, identifiers });
			return {
				ke2: start.loginResponse,
				async finish(finishLoginRequest) {
					try {
						return opaque.server.finishLogin({ serverLoginState: start.serverLoginState, finishLoginRequest, identifiers }).sessionKey;
					} catch {
						return undefined;
					}
				},
			};
		},
	};
}

async function signIn(client: Client, server: Server, password: string, record: string | null, ids?: Ids) {
	let finish: ((ke3: string) => Promise<string | undefined>) | undefined;
	const result = await client.login(
		password,
		async (ke1) => {
			const answer = await server.login(account, record, ke1, ids);
			finish = answer.finish;
			return answer.ke2;
		},
		ids,
	);
	return { result, serverKey: result && (await finish!(result.ke3)) };
}

async function life(client: Client, server: Server, loginClient: Client, ids?: Ids): Promise<void> {
	const password = 'Grüße aus Łódź, 42 Rüben!';
	const made = await client.register(password, (request) => server.register(account, request), ids);
	assert.equal(made.serverKey, server.publicKey);

	const good = await signIn(loginClient, server, password, made.record, ids);
	assert.ok(good.result, 'the right password signs in');
	assert.equal(good.serverKey, good.result.sessionKey, 'both ends hold the same session key');
	assert.equal(good.result.exportKey, made.exportKey, 'the export key is that of the registration');
	assert.equal(good.result.serverKey, server.publicKey);
	assert.equal(Buffer.from(good.result.sessionKey, 'base64url').length, 64);

	const again = await signIn(loginClient, server, password, made.record, ids);
	assert.ok(again.result);
	assert.notEqual(again.result.sessionKey, good.result.sessionKey, 'session keys are fresh');

	assert.equal((await signIn(loginClient, server, password + '.', made.record, ids)).result, undefined, 'wrong password');
	assert.equal((await signIn(loginClient, server, password, null, ids)).result, undefined, 'unknown account');
}

await opaque.ready;
const clients = { ours: ourClient, theirs: theirClient };
const servers = { ours: () => ourServer(), theirs: async () => theirServer() };
const idSets: Record<string, Ids | undefined> = { 'no identities': undefined, identities: { client: 'alice@example.org', server: 'conclave' } };

for (const [idName, ids] of Object.entries(idSets))
	for (const [serverName, makeServer] of Object.entries(servers))
		for (const [clientName, client] of Object.entries(clients)) {
			if (clientName === 'theirs' && serverName === 'theirs') continue;
			test(`client ${clientName}, server ${serverName}, ${idName}`, async () => life(client, await makeServer(), client, ids));
		}

test('registered with theirs, signed in with ours, and the other way round', async () => {
	for (const makeServer of Object.values(servers)) {
		await life(theirClient, await makeServer(), ourClient);
		await life(ourClient, await makeServer(), theirClient);
	}
});

test('a record and keys move from their server to ours', async () => {
	const setup = opaque.server.createSetup();
	const bytes = Buffer.from(setup, 'base64url');
	const from = theirServer(setup);
	const to = await ourServer({ seed: bytes.subarray(0, 64).toString('base64url'), privateKey: bytes.subarray(64, 96).toString('base64url') });
	assert.equal(to.publicKey, from.publicKey);
	const made = await theirClient.register('correct horse', (request) => from.register(account, request));
	for (const client of Object.values(clients)) {
		const { result, serverKey } = await signIn(client, to, 'correct horse', made.record);
		assert.equal(serverKey, result?.sessionKey);
		assert.equal(result?.exportKey, made.exportKey);
	}
});

test('a changed message is refused by either end', async () => {
	for (const [serverName, makeServer] of Object.entries(servers))
		for (const [clientName, client] of Object.entries(clients)) {
			const server = await makeServer();
			const made = await client.register('correct horse', (request) => server.register(account, request));
			const flip = (message: string, at: number) => {
				const bytes = Buffer.from(message, 'base64url');
				bytes[at]! ^= 1;
				return bytes.toString('base64url');
			};
			let finish: ((ke3: string) => Promise<string | undefined>) | undefined;
			const good = await client.login('correct horse', async (ke1) => {
				const answer = await server.login(account, made.record, ke1);
				finish = answer.finish;
				return answer.ke2;
			});
			assert.equal(await finish!(flip(good!.ke3, 5)), undefined, `${serverName} takes a wrong KE3 of ${clientName}`);
			const bad = await client.login('correct horse', async (ke1) => flip((await server.login(account, made.record, ke1)).ke2, 319));
			assert.equal(bad, undefined, `${clientName} takes a wrong KE2 of ${serverName}`);
		}
});
