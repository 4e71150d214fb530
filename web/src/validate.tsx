// SPDX-License-Identifier: Apache-2.0
// The account validation page: /validate#t=<token>&org=<fingerprint of the organisation root>.
import { render } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { computer, Failure, register, show, type Account, type FailureKind } from './api';
import { MIN_GUESSES_LOG10, type Person, type Rating } from './rules';
import { preferredLanguage, words, type Language, type Words } from './text';

interface Link {
  token: string;
  fingerprint: string;
}

function readLink(): Link {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const fingerprint = (fragment.get('org') ?? '').toLowerCase();
  return { token: fragment.get('t') ?? '', fingerprint: /^[0-9a-f]{64}$/.test(fingerprint) ? fingerprint : '' };
}

type View =
  | { at: 'loading' }
  | { at: 'form'; account: Account }
  | { at: 'done'; account: Account }
  | { at: 'failed'; kind: FailureKind };

const linkFailures: FailureKind[] = ['link', 'used', 'expired'];
const kindOf = (error: unknown): FailureKind => (error instanceof Failure ? error.kind : 'browser');

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 48 48" aria-hidden="true">
      <path d="M34.6 15.2a13.5 13.5 0 1 0 0 17.6" />
      <circle cx="24" cy="24" r="4.4" />
    </svg>
  );
}

function Tick() {
  return (
    <svg class="tick" viewBox="0 0 16 16" aria-hidden="true">
      <path d="M3 8.5l3.2 3.2L13 4.8" />
    </svg>
  );
}

// ---------------------------------------------------------------- fields

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  autoComplete: string;
  error?: string | undefined;
  disabled: boolean;
}

function NameField({ label, value, onInput, autoComplete, error, disabled }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        required
        maxLength={100}
        autoComplete={autoComplete}
        value={value}
        disabled={disabled}
        aria-invalid={error !== undefined}
        aria-describedby={error === undefined ? undefined : `${id}-e`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {error !== undefined && (
        <p class="fault" id={`${id}-e`}>
          {error}
        </p>
      )}
    </div>
  );
}

/**
 * A text field that CSS draws as dots: browsers offer to store what was in a password field, whatever
 * `autocomplete` says (R72). Where the drawing is unknown it is a password field all the same.
 */
const canMask = CSS.supports('-webkit-text-security', 'disc');

interface SecretProps extends Omit<FieldProps, 'autoComplete'> {
  name: string;
  shown: boolean;
  /** marks the field when the reason stands elsewhere (in `describedBy`) */
  refused?: boolean;
  describedBy?: string | undefined;
  toggle?: { text: string; onToggle: () => void } | undefined;
}

function SecretField({ label, name, value, onInput, error, refused, disabled, shown, describedBy, toggle }: SecretProps) {
  const id = useId();
  const described = [describedBy, error === undefined ? undefined : `${id}-e`].filter((part) => part !== undefined);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="secret">
        <input
          id={id}
          name={name}
          class={shown ? 'plain' : 'masked'}
          type={canMask || shown ? 'text' : 'password'}
          required
          autoComplete={canMask ? 'off' : 'new-password'}
          autoCapitalize="off"
          autoCorrect="off"
          spellcheck={false}
          data-1p-ignore
          data-lpignore="true"
          data-bwignore
          value={value}
          disabled={disabled}
          aria-invalid={error !== undefined || refused === true}
          aria-describedby={described.length > 0 ? described.join(' ') : undefined}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
        {toggle && (
          <button type="button" class="toggle" aria-pressed={shown} onClick={toggle.onToggle}>
            {toggle.text}
          </button>
        )}
      </div>
      {error !== undefined && (
        <p class="fault" id={`${id}-e`}>
          {error}
        </p>
      )}
    </div>
  );
}

// ---------------------------------------------------------------- strength

/** 0 none, 1 and 2 refused, 3 and 4 accepted: the index into Words.strength. */
function gradeOf(rating: Rating | null): number {
  if (rating === null || rating.fault === 'empty') return 0;
  if (rating.fault !== null && rating.fault !== 'weak') return 1;
  if (rating.guessesLog10 < MIN_GUESSES_LOG10 - 4) return 1;
  if (rating.guessesLog10 < MIN_GUESSES_LOG10) return 2;
  return rating.guessesLog10 < MIN_GUESSES_LOG10 + 4 ? 3 : 4;
}

function Strength({ t, id, rating }: { t: Words; id: string; rating: Rating | null }) {
  const grade = gradeOf(rating);
  const fault = rating?.fault ?? null;
  const text = rating === null || fault === 'empty' ? t.passwordHint : fault === null ? '' : t.faults[fault];
  return (
    <div class={`strength grade-${grade}`} id={id} role="status" aria-live="polite">
      <div class="bars" aria-hidden="true">
        <span />
        <span />
        <span />
        <span />
      </div>
      <p>
        {grade > 0 && (
          <strong>
            <span class="unseen">{t.strengthLabel}: </span>
            {t.strength[grade]}
            {text === '' ? '' : '. '}
          </strong>
        )}
        {text}
      </p>
    </div>
  );
}

/** Rates what was typed last; answers to older questions are ignored. */
function useRating(password: string, person: Person, onFailure: (error: unknown) => void): Rating | null {
  const [rating, setRating] = useState<Rating | null>(null);
  const latest = useRef(0);
  useEffect(() => {
    const turn = ++latest.current;
    if (password === '') {
      setRating(null);
      return;
    }
    const timer = setTimeout(() => {
      computer.rate(password, person).then(
        (result) => turn === latest.current && setRating(result),
        (error) => turn === latest.current && onFailure(error),
      );
    }, 80);
    return () => clearTimeout(timer);
  }, [password, person.firstName, person.lastName, person.email]);
  return rating;
}

// ---------------------------------------------------------------- form

interface FormProps {
  t: Words;
  account: Account;
  token: string;
  onDone: () => void;
  onDead: (kind: FailureKind) => void;
}

function Form({ t, account, token, onDone, onDead }: FormProps) {
  const [firstName, setFirstName] = useState(account.first_name);
  const [lastName, setLastName] = useState(account.last_name);
  const [password, setPassword] = useState('');
  const [repeat, setRepeat] = useState('');
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [failure, setFailure] = useState<FailureKind | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const strengthId = useId();
  const person: Person = { email: account.email, firstName: firstName.trim(), lastName: lastName.trim() };
  const rating = useRating(password, person, (error) => setFailure(kindOf(error)));

  const missing = (name: string) => (tried && name.trim() === '' ? t.nameMissing : undefined);
  const differs = !shown && repeat !== password && (tried || repeat.length >= password.length) && repeat !== '';
  const repeatMissing = !shown && tried && repeat === '' && password !== '';

  async function submit(event: Event) {
    event.preventDefault();
    if (busy) return;
    setTried(true);
    setFailure(null);
    setBusy(true);
    try {
      const verdict = await computer.rate(password, person);
      const named = person.firstName !== '' && person.lastName !== '';
      if (!named || verdict.fault !== null || (!shown && repeat !== password)) {
        setBusy(false);
        setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
        return;
      }
      await register(token, person, password);
      setPassword('');
      setRepeat('');
      onDone();
    } catch (error) {
      setBusy(false);
      if (linkFailures.includes(kindOf(error))) onDead(kindOf(error));
      else setFailure(kindOf(error));
    }
  }

  const refused = tried && (password === '' || (rating !== null && rating.fault !== null));
  return (
    <form ref={form} onSubmit={submit} noValidate autoComplete="off">
      <div class="email">
        <span class="label">{t.email}</span>
        <output>{account.email}</output>
      </div>
      <div class="pair">
        <NameField label={t.firstName} value={firstName} onInput={setFirstName} autoComplete="given-name"
          error={missing(firstName)} disabled={busy} />
        <NameField label={t.lastName} value={lastName} onInput={setLastName} autoComplete="family-name"
          error={missing(lastName)} disabled={busy} />
      </div>
      <SecretField label={t.password} name="p1" value={password} onInput={setPassword} shown={shown} disabled={busy}
        error={tried && password === '' ? t.faults.empty : undefined} refused={refused} describedBy={strengthId}
        toggle={{ text: shown ? t.hidePassword : t.showPassword, onToggle: () => setShown(!shown) }} />
      <Strength t={t} id={strengthId} rating={rating} />
      {!shown && (
        <SecretField label={t.repeat} name="p2" value={repeat} onInput={setRepeat} shown={false} disabled={busy}
          error={differs || repeatMissing ? t.mismatch : undefined} />
      )}
      <div class="announce" role="alert">
        {failure !== null && (
          <p class="banner">
            <strong>{t.failureTitles[failure]}.</strong> {t.failures[failure]}
          </p>
        )}
      </div>
      <button type="submit" class="primary" aria-busy={busy} disabled={busy}>
        {busy ? t.working : t.submit}
      </button>
    </form>
  );
}

// ---------------------------------------------------------------- after it

function Command({ t, parts }: { t: Words; parts: string[] }) {
  const [copied, setCopied] = useState(false);
  const text = parts.join(' ');
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      setCopied(false); // the text can still be marked by hand
    }
  }
  return (
    <div class="command">
      <code>
        {parts.map((part) => (
          <span key={part}>{`${part} `}</span>
        ))}
      </code>
      <button type="button" class="small" onClick={copy} aria-live="polite">
        {copied ? t.copied : t.copy}
      </button>
    </div>
  );
}

function Done({ t, account, fingerprint }: { t: Words; account: Account; fingerprint: string }) {
  const command = ['conclave-cli login', `--manager ${location.origin}`];
  if (fingerprint !== '') command.push(`--org ${fingerprint}`);
  command.push(account.email);
  return (
    <div class="done">
      <p>{t.doneText(account.email)}</p>
      <h2>{t.next}</h2>
      <ol class="next">
        <li>
          <h3>{t.installTitle}</h3>
          <p>{t.installText}</p>
        </li>
        <li>
          <h3>{t.signInTitle}</h3>
          <p>{t.signInText}</p>
          <Command t={t} parts={command} />
          {fingerprint !== '' && (
            <details>
              <summary>{t.fingerprint}</summary>
              <p>{t.fingerprintHint}</p>
              <code class="fingerprint">{(fingerprint.match(/.{4}/g) ?? []).join(' ')}</code>
            </details>
          )}
        </li>
        <li>
          <h3>{t.joinTitle}</h3>
          <p>{t.joinText}</p>
        </li>
      </ol>
    </div>
  );
}

function Dead({ t, kind, onRetry }: { t: Words; kind: FailureKind; onRetry: () => void }) {
  const isLink = linkFailures.includes(kind);
  return (
    <div role="alert">
      <p>{t.failures[kind]}</p>
      {isLink ? (
        <p>{t.askAgain}</p>
      ) : (
        <button type="button" class="primary" onClick={onRetry}>
          {t.retry}
        </button>
      )}
    </div>
  );
}

// ---------------------------------------------------------------- page

function Aside({ t, organisation }: { t: Words; organisation: string }) {
  return (
    <aside>
      <div class="brand">
        <Mark />
        <span>Conclave</span>
      </div>
      <div class="org">
        {organisation !== '' && (
          <>
            <p>{t.invitedBy}</p>
            <p class="orgname">{organisation}</p>
          </>
        )}
      </div>
      <ul>
        {t.promises.map(([title, text]) => (
          <li key={title}>
            <Tick />
            <div>
              <strong>{title}</strong>
              <p>{text}</p>
            </div>
          </li>
        ))}
      </ul>
    </aside>
  );
}

function titleOf(t: Words, view: View): string {
  if (view.at === 'failed') return t.failureTitles[view.kind];
  return view.at === 'done' ? t.doneTitle : t.title;
}

function Page() {
  const [language, setLanguage] = useState<Language>(() => preferredLanguage(navigator.languages));
  const [link] = useState(readLink);
  const [view, setView] = useState<View>({ at: 'loading' });
  const heading = useRef<HTMLHeadingElement>(null);
  const t = words[language];
  const other: Language = language === 'en' ? 'fr' : 'en';

  function open() {
    setView({ at: 'loading' });
    if (link.token === '') {
      setView({ at: 'failed', kind: 'link' });
      return;
    }
    show(link.token).then(
      (account) => setView({ at: 'form', account }),
      (error) => setView({ at: 'failed', kind: kindOf(error) }),
    );
  }
  useEffect(() => {
    // Another link pasted into the same tab is another account: start afresh.
    const renewed = () => location.reload();
    window.addEventListener('hashchange', renewed);
    open();
    return () => window.removeEventListener('hashchange', renewed);
  }, []);
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = `${titleOf(t, view)} – Conclave`;
  }, [language, view]);
  useEffect(() => {
    if (view.at === 'done') history.replaceState(null, '', location.pathname); // the token leaves the history
    if (view.at === 'done' || view.at === 'failed') heading.current?.focus();
  }, [view]);

  const organisation = view.at === 'form' || view.at === 'done' ? view.account.organisation : '';
  return (
    <div class={`page at-${view.at}`}>
      <Aside t={t} organisation={organisation} />
      <main aria-busy={view.at === 'loading'}>
        <div class="bar">
          <button type="button" class="language" lang={other} onClick={() => setLanguage(other)}>
            {t.otherLanguage}
          </button>
        </div>
        <div class="content">
          {view.at === 'done' && (
            <div class="badge">
              <Tick />
            </div>
          )}
          <h1 ref={heading} tabIndex={-1}>
            {titleOf(t, view)}
          </h1>
          {view.at === 'loading' && <p role="status">{t.loading}</p>}
          {view.at === 'form' && (
            <>
              <p class="intro">{t.intro}</p>
              <Form t={t} account={view.account} token={link.token}
                onDone={() => setView({ at: 'done', account: view.account })}
                onDead={(kind) => setView({ at: 'failed', kind })} />
            </>
          )}
          {view.at === 'done' && <Done t={t} account={view.account} fingerprint={link.fingerprint} />}
          {view.at === 'failed' && <Dead t={t} kind={view.kind} onRetry={open} />}
        </div>
      </main>
    </div>
  );
}

const root = document.getElementById('app');
if (root !== null) render(<Page />, root);
