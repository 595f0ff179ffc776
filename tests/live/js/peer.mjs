// A Matrix client for the live tests: matrix-js-sdk with the Rust crypto, as Element Web has it.
// Driven by JSON lines: a request {id, do, ...} is answered by {id, ok} or {id, error}; what the
// homeserver brings is reported as {event} and {invite}. It ends when its standard input does.
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";

// The SDK logs to the console: standard output belongs to the protocol.
globalThis.console = new console.Console(process.stderr, process.stderr);
const sdk = await import("matrix-js-sdk");
const {
    AllDevicesIsolationMode,
    CryptoEvent,
    EventShieldColour,
    OnlySignedDevicesIsolationMode,
    VerificationPhase,
    VerificationRequestEvent,
    VerifierEvent,
    decodeRecoveryKey,
} = await import("matrix-js-sdk/lib/crypto-api/index.js");

const SHIELDS = {
    [EventShieldColour.NONE]: "none",
    [EventShieldColour.GREY]: "grey",
    [EventShieldColour.RED]: "red",
};
const { subtle } = webcrypto;
let client;
let recoveryKey; // what the person has typed into this client
let verification; // the one under way, and the emoji that it shows
let sas;

const tell = (message) => process.stdout.write(JSON.stringify(message) + "\n");

async function report(event) {
    const encrypted = event.getWireType() === "m.room.encrypted";
    const decrypted = encrypted && event.getType() !== "m.room.encrypted" && !event.isDecryptionFailure();
    const info = decrypted ? await client.getCrypto().getEncryptionInfoForEvent(event) : null;
    const wire = event.getWireContent();
    tell({
        event: {
            event_id: event.getId(),
            room_id: event.getRoomId(),
            sender: event.getSender(),
            type: event.getType(),
            state_key: event.getStateKey() ?? null,
            // Relations of an encrypted event stay outside of its ciphertext.
            content: { "m.relates_to": wire["m.relates_to"], ...event.getOriginalContent() },
            encrypted,
            decrypted,
            shield: info ? SHIELDS[info.shieldColour] : null,
            reason: event.isDecryptionFailure() ? String(event.decryptionFailureReason) : null,
        },
    });
}

async function received(event) {
    if (!event.getId()) return; // the stripped state of an invitation
    // What isn't decrypted yet is reported by Event.decrypted, at a first failure and when it works.
    if (event.getType() !== "m.room.encrypted") await report(event);
}

function until(ready, what, events) {
    return new Promise((resolve, reject) => {
        const finish = (settle, value) => {
            clearTimeout(timer);
            for (const event of events) client.off(event, check);
            settle(value);
        };
        const check = () => Promise.resolve(ready()).then((is) => is && finish(resolve, is));
        const timer = setTimeout(() => finish(reject, new Error(`no ${what} within 30 s`)), 30_000);
        for (const event of events) client.on(event, check);
        check();
    });
}

const synced = () => until(client.isInitialSyncComplete.bind(client), "sync", ["sync"]);

const room = (roomId) =>
    until(
        () => client.getRoom(roomId)?.getMyMembership() === "join" && client.getRoom(roomId),
        `joined room ${roomId}`,
        ["Room", "Room.myMembership", "sync"],
    );

const knownToBeEncrypted = (roomId) =>
    until(() => client.getCrypto().isEncryptionEnabledInRoom(roomId), `encryption of ${roomId}`, [
        "sync",
        "RoomState.events",
    ]);

const reached = (phase) =>
    new Promise((resolve, reject) => {
        const finish = (settle, value) => {
            clearTimeout(timer);
            verification.off(VerificationRequestEvent.Change, check);
            settle(value);
        };
        const check = () => verification.phase >= phase && finish(resolve);
        const late = () => finish(reject, new Error(`still in phase ${verification.phase}`));
        const timer = setTimeout(late, 30_000);
        verification.on(VerificationRequestEvent.Change, check);
        check();
    });

// A verified identity counts once their signature of it is uploaded, which comes after "done".
const trusted = (userId) =>
    new Promise((resolve, reject) => {
        const finish = (settle, value) => {
            clearTimeout(timer);
            client.off(CryptoEvent.UserTrustStatusChanged, check);
            settle(value);
        };
        const check = async () => {
            const status = await client.getCrypto().getUserVerificationStatus(userId);
            if (status.isCrossSigningVerified()) finish(resolve);
        };
        const timer = setTimeout(() => finish(reject, new Error("still not verified")), 30_000);
        client.on(CryptoEvent.UserTrustStatusChanged, check);
        check();
    });

const unpadded = (text) => text.replace(/=+$/, "");
const base64 = (bytes) => unpadded(Buffer.from(bytes).toString("base64"));

async function ciphertextOf(mxc) {
    const { hostname, pathname } = new URL(mxc.replace("mxc:", "http:"));
    const answer = await fetch(
        `${client.getHomeserverUrl()}/_matrix/client/v1/media/download/${hostname}${pathname}`,
        { headers: { Authorization: `Bearer ${client.getAccessToken()}` } },
    );
    if (!answer.ok) throw new Error(`media download: HTTP ${answer.status}`);
    return Buffer.from(await answer.arrayBuffer());
}

const commands = {
    async start({ url, user, password, strict, signed }) {
        const login = await sdk.createClient({ baseUrl: url }).loginRequest({
            type: "m.login.password",
            identifier: { type: "m.id.user", user },
            password,
            initial_device_display_name: "live test, js-sdk",
        });
        client = sdk.createClient({
            baseUrl: url,
            userId: login.user_id,
            deviceId: login.device_id,
            accessToken: login.access_token,
            cryptoCallbacks: {
                getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], recoveryKey],
            },
        });
        await client.initRustCrypto({ useIndexedDB: false });
        const crypto = client.getCrypto();
        crypto.setDeviceIsolationMode(
            strict ? new OnlySignedDevicesIsolationMode() : new AllDevicesIsolationMode(false),
        );
        client.on("event", received);
        client.on("Event.decrypted", report);
        client.on("Room.myMembership", (room, membership) => {
            const inviter = room.getMember(client.getUserId())?.events.member?.getSender();
            if (membership === "invite")
                tell({ invite: { room_id: room.roomId, sender: inviter ?? null } });
        });
        await client.startClient({ initialSyncLimit: 100 });
        await synced();
        if (signed)
            await crypto.bootstrapCrossSigning({
                authUploadDeviceSigningKeys: async (upload) => {
                    await upload(null);
                },
            });
        return { user_id: login.user_id, device_id: login.device_id, version: crypto.getVersion() };
    },

    async create_room({ invite, encrypted, direct }) {
        const { room_id } = await client.createRoom({
            preset: direct ? "trusted_private_chat" : "private_chat",
            is_direct: direct,
            invite,
            initial_state: encrypted
                ? [{
                      type: "m.room.encryption",
                      state_key: "",
                      content: { algorithm: "m.megolm.v1.aes-sha2" },
                  }]
                : [],
        });
        const created = await room(room_id);
        if (encrypted) await knownToBeEncrypted(room_id);
        // The room's first events may come in several syncs, and keys go to known members only.
        await until(() => invite.every((user) => created.getMember(user)), "invited members", [
            "RoomState.members",
        ]);
        return { room_id };
    },

    async join({ room_id }) {
        await client.joinRoom(room_id);
        await room(room_id);
        return {};
    },

    async leave({ room_id }) {
        await client.leave(room_id);
        return {};
    },

    async send({ room_id, type, content, clear }) {
        await room(room_id);
        if (!clear) await knownToBeEncrypted(room_id);
        return client.sendEvent(room_id, type, content);
    },

    async redact({ room_id, event_id }) {
        return client.redactEvent(room_id, event_id);
    },

    async upload({ content }) {
        const key = await subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt"]);
        const counter = new Uint8Array(16);
        webcrypto.getRandomValues(counter.subarray(0, 8));
        const plain = Buffer.from(content, "base64");
        const ciphertext = await subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, key, plain);
        const { content_uri } = await client.uploadContent(Buffer.from(ciphertext));
        return {
            v: "v2",
            url: content_uri,
            key: await subtle.exportKey("jwk", key),
            iv: base64(counter),
            hashes: { sha256: base64(await subtle.digest("SHA-256", ciphertext)) },
        };
    },

    async download({ file }) {
        const ciphertext = await ciphertextOf(file.url);
        if (base64(await subtle.digest("SHA-256", ciphertext)) !== unpadded(file.hashes.sha256))
            throw new Error("the attachment's hash is wrong");
        const key = await subtle.importKey("jwk", file.key, "AES-CTR", false, ["decrypt"]);
        const counter = Buffer.from(file.iv, "base64");
        const plain = await subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, key, ciphertext);
        return { base64: Buffer.from(plain).toString("base64") };
    },

    async devices({ user_id }) {
        const crypto = client.getCrypto();
        const known = (await crypto.getUserDeviceInfo([user_id], true)).get(user_id) ?? new Map();
        return Promise.all(
            [...known.keys()].map(async (device_id) => ({
                device_id,
                signed_by_owner:
                    (await crypto.getDeviceVerificationStatus(user_id, device_id))?.signedByOwner ?? false,
            })),
        );
    },

    async identity({ user_id }) {
        await client.getCrypto().getUserDeviceInfo([user_id], true);
        const status = await client.getCrypto().getUserVerificationStatus(user_id);
        return { known: status.known, changed: status.needsUserApproval };
    },

    // What Element does when its user resets their identity: nothing of the old one is signed anew.
    async reset_identity({ password }) {
        const user = { type: "m.id.user", user: client.getUserId() };
        const proof = { type: "m.login.password", identifier: user, password };
        await client.getCrypto().bootstrapCrossSigning({
            setupNewCrossSigning: true,
            authUploadDeviceSigningKeys: async (upload) => {
                try {
                    await upload(null);
                } catch (error) {
                    if (error.httpStatus !== 401) throw error;
                    await upload({ ...proof, session: error.data.session });
                }
            },
        });
        return {};
    },

    // Begin a verification by emoji, in a room or with a device, and go on until it shows them.
    async verify({ user_id, room_id, device_id }) {
        const crypto = client.getCrypto();
        await crypto.getUserDeviceInfo([user_id], true);
        verification = room_id
            ? await crypto.requestVerificationDM(user_id, room_id)
            : await crypto.requestDeviceVerification(user_id, device_id);
        await reached(VerificationPhase.Ready);
        const verifier = await verification.startVerification("m.sas.v1");
        sas = await new Promise((resolve, reject) => {
            verifier.on(VerifierEvent.ShowSas, resolve);
            verifier.verify().catch(reject);
        });
        return { emoji: sas.sas.emoji, numbers: sas.sas.decimal };
    },

    async compared({ same }) {
        if (same) await sas.confirm();
        else sas.mismatch();
        return {};
    },

    async verification({ user_id, until }) {
        if (until) await reached(VerificationPhase[until]);
        if (until === "Done") await trusted(user_id);
        const status = await client.getCrypto().getUserVerificationStatus(user_id);
        return {
            phase: VerificationPhase[verification.phase],
            code: verification.cancellationCode,
            verified: status.isCrossSigningVerified(),
        };
    },

    async open_secrets({ recovery_key, names }) {
        recoveryKey = decodeRecoveryKey(recovery_key);
        const [, description] = await client.secretStorage.getKey();
        const secrets = {};
        for (const name of names) secrets[name] = await client.secretStorage.get(name);
        return { fits: await client.secretStorage.checkKey(recoveryKey, description), secrets };
    },

    // What Element does when its user types the recovery key on a new device.
    async recover({ recovery_key }) {
        recoveryKey = decodeRecoveryKey(recovery_key);
        const crypto = client.getCrypto();
        await crypto.userHasCrossSigningKeys(client.getUserId(), true);
        await crypto.bootstrapCrossSigning({});
        await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
        const backup = await crypto.checkKeyBackupAndEnable();
        const { total, imported } = await crypto.restoreKeyBackup();
        const ready = await crypto.isCrossSigningReady();
        return { ready, ...backup.trustInfo, total, imported };
    },

    async restart() {
        // stopClient would also close the crypto store, which is in memory and must live on.
        const crypto = client.cryptoBackend;
        client.cryptoBackend = undefined;
        client.stopClient();
        client.cryptoBackend = crypto;
        await client.startClient({ initialSyncLimit: 100 });
        await synced();
        return {};
    },
};

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.on("line", (line) => {
    const { id, do: name, ...options } = JSON.parse(line);
    commands[name](options).then(
        (ok) => tell({ id, ok }),
        (error) => tell({ id, error: `${name}: ${error.message ?? error}` }),
    );
});
