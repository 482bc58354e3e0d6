"""Settings -> an LLM with its policy, prices, stores and prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import platformdirs

from alref_agent import registry
from alref_agent.config import Config
from alref_agent.errors import ConfigError, InputError, LlmError, unknown
from alref_agent.prompts.library import PromptLibrary
from alref_agent.prompts.steps import STEPS
from alref_agent.providers.budget import Budget
from alref_agent.providers.exchange import Exchange
from alref_agent.providers.llm import Llm
from alref_agent.providers.messages import Sampling
from alref_agent.providers.names import TAKEN, LlmName, resolve
from alref_agent.providers.policy import Policy, Sender
from alref_agent.providers.prices import Prices
from alref_agent.providers.provider import Provider
from alref_agent.providers.replay import RECORDED, Unavailable
from alref_agent.providers.reply_store import Cache, Replies, ReplyStore
from alref_agent.providers.secrets import Blotter


def llm(
    config: Config,
    folder: Path | None = None,
    given: Sequence[Replies] = (),
    prompts: Mapping[str, str] | None = None,
    lenient: bool = False,
) -> Llm:
    """The LLM that the settings name.

    Args:
        config: All settings.
        folder: The run folder, where replies are recorded; None records none.
        given: Replies that are taken first, as of a run that is done again.
        prompts: Id -> source of prompts that come before files.
        lenient: Whether an LLM that cannot be asked is no error before it must be; so it is where
            replies are given.

    Raises:
        LlmError, MissingPackageError, UnknownNameError: It cannot be asked.
        ConfigError: A file of prices that cannot be read, a limit on money without a price.
    """
    settings = config.llm
    prices = Prices.load(settings.prices)
    own = ReplyStore(folder / RECORDED) if folder is not None else None
    cache = Cache(cache_folder()) if settings.cache else None
    budget = _budget(config, own, prices)
    policy = Policy(settings.attempts, settings.max_wait)
    blot = Blotter(None, settings.key_variable)
    main = resolve(settings.model)
    for step in settings.step_models:
        if step not in STEPS:
            raise ConfigError(unknown("step", step, STEPS))
    if settings.max_cost is not None and settings.max_tokens is None:
        raise ConfigError(
            "llm.max_cost needs a limit on replies, llm.max_tokens, to know what a call may cost."
        )

    def exchange(name: str) -> Exchange:
        chosen = resolve(name)
        try:
            provider = make(chosen, _for(chosen, main, config))
        except InputError as error:
            if not (given or lenient):
                raise type(error)(blot(str(error))) from None
            provider = Unavailable(chosen, error)
        priced = prices.of(provider.model) is not None or provider.local or provider.replays
        if settings.max_cost is not None and not priced and chosen.kind != "ollama":
            raise LlmError(
                f"llm.max_cost: no price is known for {chosen}: give one in a file, "
                "--set llm.prices=FILE, or limit the calls with --max-calls."
            )
        sender = Sender(provider, policy, budget, prices)
        return Exchange(provider, sender, prices, own=own, cache=cache, given=given, blot=blot)

    default = exchange(settings.model)
    steps = {step: exchange(name) for step, name in settings.step_models.items()}
    # What works in this process has no use for many requests at once.
    local = any(each.provider.local for each in (default, *steps.values()))
    return Llm(
        default,
        Sampling(
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            seed=config.seed,
            detail=settings.detail,
            options=dict(settings.options),
        ),
        PromptLibrary(config.prompts.paths, prompts or {}),
        concurrency=1 if local else settings.concurrency,
        steps=steps,
        repeat=settings.repeat,
    )


def make(name: LlmName, config: Config) -> Provider:
    """A provider by its name.

    Raises:
        LlmError, MissingPackageError: It cannot be asked; nobody knows it.
    """
    made: Provider
    if name.kind in registry.names("provider"):
        with registry.blaming("provider", name.kind):
            made = registry.load("provider", name.kind).from_config(name.model, config)
        return made
    try:
        from alref_agent.providers.any_chat_model import AnyChatModel
    except ModuleNotFoundError as error:
        raise LlmError(
            f"Unknown LLM {name}. Taken: {TAKEN}; more with pip install 'alref-agent[llm]'."
        ) from error
    return AnyChatModel.from_config(str(name), config)


def _budget(config: Config, own: ReplyStore | None, prices: Prices) -> Budget:
    """The limits of a run, less what an earlier part of it has used."""
    budget = Budget(config.llm.max_calls, config.llm.max_cost)
    if own is not None and (budget.max_calls is not None or budget.max_cost is not None):
        for kept in own.all():
            if kept.source == "llm":
                budget.calls += kept.reply.attempts
                budget.spent += prices.cost(kept.reply, kept.model) or 0.0
    return budget


def _for(name: LlmName, main: LlmName, config: Config) -> Config:
    """The settings for an LLM of one step: another provider has other servers and keys."""
    if name.kind == main.kind:
        return config
    own: dict[str, object] = {"base_url": None, "key_variable": None, "options": {}}
    return config.model_copy(update={"llm": config.llm.model_copy(update=own)})


def cache_folder() -> Path:
    """Where replies of all runs of this user are kept."""
    return Path(platformdirs.user_cache_dir("alref-agent", appauthor=False)) / "replies"
