// SPDX-License-Identifier: Apache-2.0
// A member played by ts-mls.
import { X509Certificate, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import {
	type CiphersuiteImpl,
	type CiphersuiteName,
	type ClientConfig,
	type ClientState,
	type Credential,
	type Extension as TsExtension,
	type IncomingMessageCallback,
	type KeyPackage,
	type PrivateKeyPackage,
	type ProcessMessageResult,
	type Proposal,
	type PskIndex,
	ciphersuites,
	createApplicationMessage,
	createCommit,
	createGroup,
	createProposal,
	defaultCapabilities,
	encodeMlsMessage,
	generateKeyPackageWithKey,
	getCiphersuiteFromName,
	getCiphersuiteImpl,
	joinGroup,
	joinGroupExternal,
	makePskIndex,
	mlsExporter,
	processPrivateMessage,
	processPublicMessage,
	proposeAddExternal,
	reinitGroup,
} from 'ts-mls';
import { createGroupInfo } from 'ts-mls/createCommit.js';
import { defaultClientConfig } from 'ts-mls/clientConfig.js';
import { getOwnLeafNode } from 'ts-mls/clientState.js';
import { signWithLabel } from 'ts-mls/crypto/signature.js';
import { type LeafNodeTBS, encodeLeafNodeTBS } from 'ts-mls/leafNode.js';
import { makeResumptionPsk } from 'ts-mls/resumption.js';
import { decodeRatchetTree, encodeRatchetTree } from 'ts-mls/ratchetTree.js';
import { type CommitOptions, type Extension, type GroupView, type Member, type ProposalRequest, type Received, type World, decode, hex, testExtension, unhex } from './mls-world';

// Node 18 has no global Web Crypto.
globalThis.crypto ??= webcrypto as Crypto;

const suiteNames = new Map(Object.entries(ciphersuites).map(([name, id]) => [id as number, name as CiphersuiteName]));

export class TsMember implements Member {
	readonly ours = false;
	signatureKey = '';
	private cs!: CiphersuiteImpl;
	private credential!: Credential;
	private signKey!: { signKey: Uint8Array; publicKey: Uint8Array };
	private config: ClientConfig = defaultClientConfig;
	private packages: { publicPackage: KeyPackage; privatePackage: PrivateKeyPackage }[] = [];
	private state: ClientState | undefined;
	private pending: ClientState | undefined;
	/** The private key of an Update that we have proposed in this epoch. */
	private updateKey: Uint8Array | undefined;

	constructor(
		readonly name: string,
		private readonly world: World,
	) {}

	async start(): Promise<this> {
		const { peer, suite, x509 } = this.world;
		this.cs = await getCiphersuiteImpl(getCiphersuiteFromName(suiteNames.get(suite)!));
		this.signKey = await this.cs.signature.keygen();
		// RFC 9420 section 5.1.1 wants uncompressed points; ts-mls generates compressed ones.
		if (suite === 2) this.signKey = { ...this.signKey, publicKey: p256.getPublicKey(this.signKey.signKey, false) };
		this.signatureKey = hex(this.signKey.publicKey);
		this.credential = { credentialType: 'basic', identity: new TextEncoder().encode(this.name) };
		if (x509) {
			const answer = await peer.ask({ cmd: 'issue', suite, public_key: this.signatureKey, common_name: this.name });
			this.credential = { credentialType: 'x509', certificates: [unhex(answer['certificate'] as string)] };
			const authority = new X509Certificate(unhex((await peer.ask({ cmd: 'authority' }))['certificate'] as string));
			this.config = { ...defaultClientConfig, authService: { validateCredential: async (c, key) => certified(authority, c, key) } };
		}
		return this;
	}

	private get current(): ClientState {
		if (!this.state) throw new Error(`${this.name} is in no group`);
		return this.state;
	}

	private psks(state?: ClientState): PskIndex {
		return makePskIndex(state, this.world.psks);
	}

	private async newPackage() {
		const now = BigInt(Math.floor(Date.now() / 1000));
		const capabilities = defaultCapabilities();
		capabilities.extensions.push(testExtension);
		const made = await generateKeyPackageWithKey(
			this.credential,
			capabilities,
			{ notBefore: now - 3600n, notAfter: now + 86400n },
			[],
			this.signKey,
			this.cs,
		);
		this.packages = [made, ...this.packages].slice(0, 4);
		return made;
	}

	async keyPackage() {
		const { publicPackage } = await this.newPackage();
		return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage: publicPackage });
	}

	async create(groupId: Uint8Array) {
		const { publicPackage, privatePackage } = await this.newPackage();
		this.state = await createGroup(groupId, publicPackage, privatePackage, [], this.cs, this.config);
	}

	async join(welcome: Uint8Array, tree?: Uint8Array) {
		const message = decode(welcome);
		if (message.wireformat !== 'mls_welcome') throw new Error('not a Welcome');
		const ratchetTree = tree && decodeRatchetTree(tree, 0)?.[0];
		let failure: unknown;
		for (const p of this.packages) {
			try {
				this.state = await joinGroup(message.welcome, p.publicPackage, p.privatePackage, this.psks(), this.cs, ratchetTree, undefined, this.config);
				return;
			} catch (err) {
				failure ??= err;
			}
		}
		throw failure;
	}

	async joinExternal(groupInfo: Uint8Array, tree?: Uint8Array, resync = false) {
		const message = decode(groupInfo);
		if (message.wireformat !== 'mls_group_info') throw new Error('not a GroupInfo');
		const { publicPackage, privatePackage } = await this.newPackage();
		const ratchetTree = tree && decodeRatchetTree(tree, 0)?.[0];
		const made = await joinGroupExternal(message.groupInfo, publicPackage, privatePackage, resync, externalPubReader(this.cs), ratchetTree, this.config);
		this.state = made.newState;
		return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_public_message', publicMessage: made.publicMessage });
	}

	async commit(options: CommitOptions) {
		const extraProposals: Proposal[] = [
			...(options.adds ?? []).map((kp) => addProposal(kp)),
			...(options.removes ?? []).map((removed): Proposal => ({ proposalType: 'remove', remove: { removed } })),
			...(options.psks ?? []).map((id) => this.pskProposal(id)),
			...(options.extensions ? [extensionsProposal(options.extensions)] : []),
		];
		const made = await createCommit(
			{ state: this.current, cipherSuite: this.cs, pskIndex: this.psks(this.current) },
			{ extraProposals, ratchetTreeExtension: !options.treeOutside, wireAsPublicMessage: this.world.publicHandshake },
		);
		this.pending = made.newState;
		return {
			commit: encodeMlsMessage(made.commit),
			welcome: made.welcome && encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome: made.welcome }),
			tree: options.treeOutside ? encodeRatchetTree(made.newState.ratchetTree) : undefined,
		};
	}

	async merge() {
		if (!this.pending) throw new Error('nothing to merge');
		this.state = this.pending;
		this.pending = undefined;
		this.updateKey = undefined;
	}

	async clear() {
		this.pending = undefined;
	}

	private pskProposal(pskId: Uint8Array): Proposal {
		return { proposalType: 'psk', psk: { preSharedKeyId: { psktype: 'external', pskId, pskNonce: new Uint8Array(randomBytes(this.cs.kdf.size)) } } };
	}

	async propose(request: ProposalRequest) {
		const proposal: Proposal =
			request.type === 'add' ? addProposal(request.keyPackage)
			: request.type === 'remove' ? { proposalType: 'remove', remove: { removed: request.index } }
			: request.type === 'psk' ? this.pskProposal(request.psk)
			: request.type === 'extensions' ? extensionsProposal(request.extensions)
			: await this.updateProposal();
		const made = await createProposal(this.current, this.world.publicHandshake, proposal, this.cs);
		this.state = made.newState;
		return encodeMlsMessage(made.message);
	}

	/** ts-mls sends any Update, but makes none: the leaf and its key are made here, of its own parts. */
	private async updateProposal(): Promise<Proposal> {
		const s = this.current;
		const { publicKey, privateKey } = await this.cs.hpke.generateKeyPair();
		const { signaturePublicKey, credential, capabilities, extensions } = getOwnLeafNode(s);
		const leaf = { leafNodeSource: 'update', hpkePublicKey: await this.cs.hpke.exportPublicKey(publicKey), signaturePublicKey, credential, capabilities, extensions } as const;
		const tbs: LeafNodeTBS = { ...leaf, groupId: s.groupContext.groupId, leafIndex: s.privatePath.leafIndex };
		this.updateKey = await this.cs.hpke.exportPrivateKey(privateKey);
		return { proposalType: 'update', update: { leafNode: { ...leaf, signature: await signWithLabel(this.signKey.signKey, 'LeafNodeTBS', encodeLeafNodeTBS(tbs), this.cs.signature) } } };
	}

	/** The state to process a message with, whose key of our leaf changes when a commit turns out to hold our Update. */
	private awaitingUpdate(): [ClientState, IncomingMessageCallback] {
		const s = this.current;
		const { leafIndex } = s.privatePath;
		const privateKeys = { ...s.privatePath.privateKeys };
		return [
			{ ...s, privatePath: { leafIndex, privateKeys } },
			(incoming) => {
				if (incoming.kind === 'commit' && this.updateKey && incoming.proposals.some((p) => p.senderLeafIndex === leafIndex && p.proposal.proposalType === 'update'))
					privateKeys[2 * leafIndex] = this.updateKey;
				return 'accept';
			},
		];
	}

	async process(bytes: Uint8Array): Promise<Received> {
		const message = decode(bytes);
		if (message.wireformat !== 'mls_private_message' && message.wireformat !== 'mls_public_message') throw new Error('not for a group');
		const before = this.current.groupContext.epoch;
		// Not processMessage: in ts-mls 1.6.4 that forgets the pre-shared keys of a PrivateMessage.
		const psks = this.psks(this.current);
		const [state, callback] = this.awaitingUpdate();
		const result: ProcessMessageResult =
			message.wireformat === 'mls_private_message'
				? await processPrivateMessage(state, message.privateMessage, psks, this.cs, callback)
				: { kind: 'newState', ...(await processPublicMessage(state, message.publicMessage, psks, this.cs, callback)) };
		this.state = result.newState;
		if (result.kind === 'applicationMessage') return { kind: 'application', plaintext: result.message };
		if (result.newState.groupActiveState.kind === 'removedFromGroup') return { kind: 'removed' };
		if (result.newState.groupActiveState.kind === 'suspendedPendingReinit') return { kind: 'reinit' };
		if (result.newState.groupContext.epoch === before) return { kind: 'proposal' };
		this.pending = this.updateKey = undefined;
		return { kind: 'commit' };
	}

	async encrypt(plaintext: Uint8Array) {
		const made = await createApplicationMessage(this.current, plaintext, this.cs);
		this.state = made.newState;
		return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_private_message', privateMessage: made.privateMessage });
	}

	async groupInfo(withTree: boolean) {
		const s = this.current;
		const tree = encodeRatchetTree(s.ratchetTree);
		const { publicKey } = await this.cs.hpke.deriveKeyPair(s.keySchedule.externalSecret);
		const extensions: TsExtension[] = [{ extensionType: 'external_pub', extensionData: vector(await this.cs.hpke.exportPublicKey(publicKey)) }];
		if (withTree) extensions.push({ extensionType: 'ratchet_tree', extensionData: tree });
		const groupInfo = await createGroupInfo(s.groupContext, s.confirmationTag, s, extensions, this.cs);
		return { groupInfo: encodeMlsMessage({ version: 'mls10', wireformat: 'mls_group_info', groupInfo }), tree };
	}

	async view(): Promise<GroupView> {
		const s = this.current;
		return {
			epoch: Number(s.groupContext.epoch),
			ownIndex: s.privatePath.leafIndex,
			authenticator: hex(s.keySchedule.epochAuthenticator),
			transcript: hex(s.groupContext.confirmedTranscriptHash),
			treeHash: hex(s.groupContext.treeHash),
			exporter: hex(await mlsExporter(s.keySchedule.exporterSecret, 'test', new TextEncoder().encode('interop'), 32, this.cs)),
			members: s.ratchetTree.flatMap((n, i) => (n?.nodeType === 'leaf' ? [{ index: i / 2, signatureKey: hex(n.leaf.signaturePublicKey) }] : [])),
		};
	}

	async proposeJoin(groupInfo: Uint8Array) {
		const message = decode(groupInfo);
		if (message.wireformat !== 'mls_group_info') throw new Error('not a GroupInfo');
		const { publicPackage, privatePackage } = await this.newPackage();
		return encodeMlsMessage(await proposeAddExternal(message.groupInfo, publicPackage, privatePackage, this.cs));
	}

	async end(groupId: Uint8Array, suite: number) {
		const made = await reinitGroup(this.current, groupId, 'mls10', suiteNames.get(suite)!, [], this.cs);
		this.pending = made.newState;
		return encodeMlsMessage(made.commit);
	}

	async succeed(kind: 'reinit' | 'branch', groupId: Uint8Array, keyPackages: Uint8Array[]) {
		const { publicPackage, privatePackage } = await this.newPackage();
		const others = keyPackages.map((bytes) => {
			const message = decode(bytes);
			if (message.wireformat !== 'mls_key_package') throw new Error('not a KeyPackage');
			return message.keyPackage;
		});
		// What reinitCreateNewGroup and branchGroup do, with our authentication service and the tree inside the Welcome.
		const start = await createGroup(groupId, publicPackage, privatePackage, this.current.groupContext.extensions, this.cs, this.config);
		const psk = makeResumptionPsk(this.current, kind, this.cs);
		const made = await createCommit(
			{ state: start, cipherSuite: this.cs, pskIndex: makePskIndex(this.current, {}) },
			{
				extraProposals: [
					...others.map((keyPackage): Proposal => ({ proposalType: 'add', add: { keyPackage } })),
					{ proposalType: 'psk', psk: { preSharedKeyId: psk.id } },
				],
				ratchetTreeExtension: true,
			},
		);
		this.state = made.newState;
		return { welcome: encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome: made.welcome! }) };
	}

	async joinSuccessor(kind: 'reinit' | 'branch', welcome: Uint8Array) {
		const message = decode(welcome);
		if (message.wireformat !== 'mls_welcome') throw new Error('not a Welcome');
		const old = this.current;
		if (kind === 'reinit' && old.groupActiveState.kind !== 'suspendedPendingReinit') throw new Error('no ReInit was committed');
		// What joinGroupFromReinit and joinGroupFromBranch do; those forget the authentication service.
		const { publicPackage, privatePackage } = this.packages[0]!;
		this.state = await joinGroup(message.welcome, publicPackage, privatePackage, this.psks(old), this.cs, undefined, old, this.config);
	}

	async restart() {}
}

/**
 * external_pub is `struct { HPKEPublicKey external_pub; }`, so a vector with its length in front (RFC 9420 section 12.4.3.2).
 * ts-mls 1.6.4 writes and reads the bare key; these two put it right.
 */
function vector(key: Uint8Array): Uint8Array {
	return key.length < 64 ? Uint8Array.of(key.length, ...key) : Uint8Array.of(0x40 | (key.length >> 8), key.length & 0xff, ...key);
}
function externalPubReader(cs: CiphersuiteImpl): CiphersuiteImpl {
	const bare = (key: Uint8Array) => (key.length === 33 && key[0] === 32 ? key.subarray(1) : key.length === 67 ? key.subarray(2) : key);
	return { ...cs, hpke: { ...cs.hpke, importPublicKey: (key) => cs.hpke.importPublicKey(bare(key)) } };
}

function addProposal(bytes: Uint8Array): Proposal {
	const message = decode(bytes);
	if (message.wireformat !== 'mls_key_package') throw new Error('not a KeyPackage');
	return { proposalType: 'add', add: { keyPackage: message.keyPackage } };
}

function extensionsProposal(extensions: Extension[]): Proposal {
	return {
		proposalType: 'group_context_extensions',
		groupContextExtensions: { extensions: extensions.map((e) => ({ extensionType: e.type, extensionData: e.data })) },
	};
}

/** The chain's first certificate must be the authority's and hold the member's signature key. */
function certified(authority: X509Certificate, credential: Credential, key: Uint8Array): boolean {
	if (credential.credentialType !== 'x509') return false;
	const cert = new X509Certificate(credential.certificates[0]!);
	const jwk = createPublicKey(cert.publicKey.export({ type: 'spki', format: 'pem' }) as string).export({ format: 'jwk' });
	const part = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');
	const raw = jwk.kty === 'EC' ? Buffer.concat([Buffer.of(4), part(jwk.x), part(jwk.y)]) : part(jwk.x);
	return cert.verify(authority.publicKey) && raw.equals(key);
}
