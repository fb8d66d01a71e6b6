"""Submitting and querying jobs: rows in the store, files in a folder per job."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gesso.errors import GessoError
from gesso.media.file import link_or_copy, read_bytes, sync_folder
from gesso.media.medium import content_type
from gesso.serving.catalogue.recipe_catalogue import Catalogue
from gesso.serving.decode.input_sanitizer import InputSanitizer
from gesso.serving.http_errors import TooManyRequests, UnknownId, redacted
from gesso.serving.jobs.config import OWN_WEIGHTS, WorkerConfig
from gesso.serving.jobs.handlers import film_in, no_film_on_ray
from gesso.serving.jobs.quota import FIX, used_bytes
from gesso.serving.jobs.scheduler import JobScheduler
from gesso.serving.jobs.schemas import FilmSpec, FitSpec, Spec, TrainSpec, check_spec, clean_name, unknown
from gesso.serving.jobs.store import DONE, QUEUED, RETRY, RUNNING, Job, JobStore, new_id
from gesso.serving.settings import Settings
from gesso.serving.storage.file_store import FileStore, Kind
from gesso.serving.storage.user_weights import UserWeights, UserWeightsStore
from gesso.weights.store import read_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

MADE = {"train": ("weights.safetensors",), "fit": ("result.png", "weights.safetensors", "request.json"), "measure": ("figures.json",)}
LEARNING = ("train", "fit")  # kinds of jobs that may leave weights
MOST_POINTS = 600
MOST_LINES = 500
ORPHAN_SECONDS = 3600.0  # after which a folder without a row is deleted


class JobFile(NamedTuple):
    """A file that a job made, and its name for downloads."""

    path: Path
    name: str

    @property
    def content_type(self) -> str:
        return content_type(self.path.suffix.lower())


class TrainedWeights(NamedTuple):
    """The weights that a training job of a user has made."""

    id: str
    title: str
    ended: float | None
    sha256: str
    path: Path

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "ended": self.ended, "sha256": self.sha256}


class JobService:
    """Thread-safe; all queries name the owner. Most methods may block: call them from a thread."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, files: FileStore, sanitizer: InputSanitizer, user_weights: UserWeightsStore
    ) -> None:
        self._settings, self._catalogue, self._files, self._sanitizer = settings, catalogue, files, sanitizer
        self._user_weights = user_weights
        self.store = JobStore(settings.home / "jobs.sqlite", settings.limits)
        recipes = None if settings.recipes is None else [str(one) for one in settings.recipes]
        weights = {name: str(path) for name, path in settings.weights.items()}
        self.config = WorkerConfig(str(settings.home), recipes, weights, settings.job_threads, settings.sign, settings.limits.job_bytes)
        self.scheduler = _make_scheduler(settings, self.store, self.config)
        self._hashes: dict[tuple[str, int, int], str] = {}

    def open(self) -> None:
        """Resume the jobs of an earlier server, and delete the folders of submissions that it did not complete."""
        folder = self.jobs_folder()
        if folder.is_dir():
            known, old = self.store.ids(), time.time() - ORPHAN_SECONDS
            for one in folder.iterdir():
                if one.name not in known and one.stat().st_mtime < old:
                    shutil.rmtree(one, ignore_errors=True)
        if self.store.has_work():
            self.wake()

    def jobs_folder(self) -> Path:
        return self._settings.home / "jobs"

    def wake(self) -> None:
        if self.scheduler is not None:
            self.scheduler.wake()

    def close(self) -> None:
        if self.scheduler is not None:
            self.scheduler.close()
        self.store.close()

    def submit(self, owner: str, spec: Spec) -> tuple[Job, bool]:
        """Store a job with its files; gives the job and whether it is new."""
        later = {"processes": 1, "data": ""} if isinstance(spec, TrainSpec) else {}  # fields that older submissions do not have
        said = {name: value for name, value in spec.model_dump(mode="json").items() if name not in later or value != later[name]}
        body = hashlib.sha256(json.dumps(said, sort_keys=True).encode("utf-8", "backslashreplace")).hexdigest()
        duplicate = self.store.find_duplicate(owner, spec.client, body)
        if duplicate is not None:
            return duplicate, False
        self.store.check_quota(owner)
        if used_bytes(self.config.folder(one.id) for one in self.store.list(owner)) >= self.config.most_bytes:
            raise TooManyRequests("there is no room left for your jobs", where="jobs", fix=FIX, retry_after=RETRY)
        files = [] if isinstance(spec, FitSpec) else spec.files
        if len(files) > self._settings.limits.job_files:
            raise GessoError(f"holds {len(files)} files", where="files", fix=f"at most {self._settings.limits.job_files} at once")
        if isinstance(spec, FilmSpec) and self._settings.jobs == "ray":
            raise no_film_on_ray()
        if isinstance(spec, TrainSpec):
            self._check_processes(spec.processes)
        recipe = self._catalogue.recipe(spec.recipe)
        checked = check_spec(self._sanitizer, recipe, owner, spec)
        own = self._own_weights(owner, spec.recipe, checked.get("weights"))
        id = new_id()
        if isinstance(spec, FilmSpec):
            checked |= self._size_of(owner, spec)
        checked["names"] = [clean_name(one.name, number) for number, one in enumerate(files)]
        try:
            self._link_uploads(owner, id, "film" if isinstance(spec, FilmSpec) else "upload", [one.upload for one in files])
            if own is not None:
                link_or_copy(own.path, self.config.folder(id) / OWN_WEIGHTS)
                sync_folder(self.config.folder(id))
                checked["own_weights"] = id
            title = " ".join(spec.title.split())  # the page shows its own text for an empty title
            job = self.store.add(
                owner, id, spec.kind, title, checked, total=0 if isinstance(spec, FilmSpec) else len(files), client=spec.client, body=body
            )
        except BaseException:
            shutil.rmtree(self.config.folder(id), ignore_errors=True)
            raise
        if job.id != id:  # the same submission arrived twice at once
            shutil.rmtree(self.config.folder(id), ignore_errors=True)
            return job, False
        self.wake()
        return job, True

    def _size_of(self, owner: str, spec: FilmSpec) -> dict[str, Any]:
        """The sides of an uploaded film."""
        film = self._files.find(owner, "film", spec.files[0].upload)
        return {"width": film.width, "height": film.height}

    def _link_uploads(self, owner: str, id: str, kind: Kind, uploads: Sequence[str]) -> None:
        """Hard-link each upload into the job's folder, so that deleting the upload does not affect the job."""
        folder = self.config.folder(id) / "in"
        folder.mkdir(parents=True)
        for number, upload in enumerate(uploads):
            try:
                source = self._files.path(owner, kind, upload)
            except GessoError as error:
                error.where = f"files.{number}"
                raise
            link_or_copy(source, folder / f"{number:05}{source.suffix}")
        for place in (folder, folder.parent, folder.parent.parent):
            sync_folder(place)

    def _check_processes(self, num: int) -> None:
        """A machine does not get more processes than it has cores for; a cluster's size is its own matter."""
        most = max(1, (os.cpu_count() or 1) // self.config.threads)
        if self._settings.jobs == "here" and num > most:
            raise GessoError(f"this machine has no cores for {num} processes", where="processes", fix=f"at most {most}")

    def _own_weights(self, owner: str, recipe: str, named: str | None) -> UserWeights | None:
        """The owner's file that is named by its hash; None for a training's id, which is checked, and for the server's own weights."""
        if not named:
            return None
        own = self._user_weights.find(owner, named) or self.find_weights(owner, recipe, {recipe: named})
        if own is None:
            self._check_weights(owner, named, recipe)
        elif read_weights(own.path).card.get("recipe") != recipe:
            raise GessoError("are of another recipe", where="weights", fix=f"weights of {recipe}")
        return own

    def _check_weights(self, owner: str, id: str, recipe: str) -> None:
        try:
            job = self.store.get(owner, id)
        except GessoError:
            raise unknown("training") from None
        path = self.config.folder(id) / "out" / "weights.safetensors"
        if job.kind not in LEARNING or self.store.spec_summary(id)["recipe"] != recipe or not path.is_file():
            raise GessoError("is not a training of this recipe that has made weights", where="weights", fix="the id of one that has")

    def trained(self, owner: str, recipe: str) -> list[TrainedWeights]:
        """The weights of the owner's ended trainings and fits of a recipe, the latest first."""
        weights = []
        for job in self.store.list(owner):
            path = self.config.folder(job.id) / "out" / "weights.safetensors"
            with contextlib.suppress(OSError, UnknownId):  # no weights yet, or the job was deleted meanwhile
                if job.kind in LEARNING and job.state not in (QUEUED, RUNNING) and self.store.spec_summary(job.id)["recipe"] == recipe:
                    weights.append(TrainedWeights(job.id, job.title, job.ended, self._hash_of(path), path))
        return weights

    def find_weights(self, owner: str, recipe: str, weights: Mapping[str, str]) -> UserWeights | None:
        """The owner's trained weights that a request's `weights` name; None if they name others, or none."""
        wanted = weights.get(recipe)
        return (
            next((UserWeights(one.sha256, one.path) for one in self.trained(owner, recipe) if one.sha256 == wanted), None)
            if wanted
            else None
        )

    def _hash_of(self, path: Path) -> str:
        stat = path.stat()
        key = str(path), stat.st_mtime_ns, stat.st_size
        if key not in self._hashes:
            self._hashes[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._hashes[key]

    def delete(self, owner: str, id: str) -> None:
        self.store.delete(owner, id)
        shutil.rmtree(self.config.folder(id), ignore_errors=True)

    # Queries of one job

    def describe(self, owner: str, id: str) -> dict[str, Any]:
        from gesso.training.watch import signs_in

        job = self.store.get(owner, id)
        spec = self.store.spec_summary(id)
        names = ("recipe", "preset", "each", "format", "steps", "minutes", "processes", "which", "seed", "weights", "data")
        asked = {name: spec[name] for name in names if name in spec} | {"num_files": len(spec["names"])}
        asked |= {name: spec[name] for name in ("width", "height") if name in spec}
        made = job.kind in LEARNING and (self.config.folder(id) / "out" / "weights.safetensors").is_file()
        signs = signs_in(self._log(job, id)) if job.kind == "train" else {}
        return job.to_json(self.store.clock()) | {"asked": asked, "has_weights": made} | ({"signs": signs} if signs else {})

    def log_lines(self, owner: str, id: str, after: int) -> dict[str, Any]:
        """Lines of the log from number `after` on, at most the last MOST_LINES."""
        self.store.get(owner, id)
        path = self.config.folder(id) / "log.txt"
        texts = read_bytes(path, 2**28).decode("utf-8", "replace").split("\n")[:-1] if path.is_file() else []
        first = max(after, len(texts) - MOST_LINES) if after <= len(texts) else len(texts)
        return {"lines": [redacted(text) for text in texts[first:]], "next": len(texts)}

    def curve(self, owner: str, id: str) -> list[dict[str, Any]]:
        """Logged numbers by step of a training or a fit, thinned to about MOST_POINTS; stages one after another."""
        points = self._log(self.store.get(owner, id), id)
        every = max(1, -(-len(points) // MOST_POINTS))
        kept = [point for number, point in enumerate(points) if number % every == 0 or number == len(points) - 1]
        return [{k: v for k, v in point.items() if k == "step" or (isinstance(v, (int, float)) and math.isfinite(v))} for point in kept]

    def _log(self, job: Job, id: str) -> list[dict[str, Any]]:
        """The lines that a fit or a training logged; those of stages one after another."""
        from gesso.serving.jobs.handlers import stage_logs
        from gesso.training.log import read_lines

        spec, out = self.store.spec_summary(id), self.config.folder(id) / "out"
        if job.kind == "fit":
            return read_lines(out / "objective.jsonl")
        found: list[dict[str, Any]] = []
        before = 0
        for path, steps in stage_logs(self._catalogue.recipe(spec["recipe"]), spec, out) if job.kind == "train" else ():
            found += [line | {"step": before + line["step"]} for line in read_lines(path)]
            before += steps
        return found

    def samples(self, owner: str, id: str) -> dict[str, tuple[str, Path]]:
        """Pictures that show progress, {id: (caption, file)}: thumbnails of a batch, sample sheets of a training, previews of a fit."""
        job, out = self.store.get(owner, id), self.config.folder(id) / "out"
        if job.kind == "batch":
            from gesso.serving.jobs.handlers import items_of
            from gesso.verbs.batch import thumb_path

            items = items_of(self.store.spec_summary(id), self.config.folder(id))
            shown = ((str(number), item.name, thumb_path(out, item)) for number, item in enumerate(items))
            return {number: (name, path) for number, name, path in shown if path.is_file()}
        folders = [out / "previews"]
        if job.kind == "train":
            from gesso.serving.jobs.handlers import stage_logs

            spec = self.store.spec_summary(id)
            folders = [path.parent / "samples" for path, _ in stage_logs(self._catalogue.recipe(spec["recipe"]), spec, out)]
        paths = [path for folder in folders for path in sorted(folder.glob("[0-9]*.png"), key=lambda path: (len(path.name), path.name))]
        return {str(number): (str(int(path.stem)), path) for number, path in enumerate(paths)}

    def items(self, owner: str, id: str) -> list[dict[str, Any]]:
        """The outputs with the ids of their files; of a batch all items, with their states and why they failed."""
        job, out = self.store.get(owner, id), self.config.folder(id) / "out"
        if job.kind != "batch":
            return [{"id": key, "name": file.name, "state": DONE} for key, file in self.files(owner, id).items()]
        from gesso.serving.jobs.handlers import items_of
        from gesso.verbs.batch import read_journal

        journal, listed = read_journal(out), []
        for number, item in enumerate(items_of(self.store.spec_summary(id), self.config.folder(id))):
            line = journal.get(item.target, {})
            state = line.get("state", "waiting")
            listed.append({"id": str(number), "name": item.name, "state": state if state in ("done", "failed") else "waiting"})
            if state == "failed":
                listed[-1]["why"] = redacted(line.get("why", ""))
            if "unsigned" in line:
                listed[-1]["unsigned"] = redacted(line["unsigned"])
        return listed

    def files(self, owner: str, id: str) -> dict[str, JobFile]:
        """Complete files by their ids."""
        job, spec, out = self.store.get(owner, id), self.store.spec_summary(id), self.config.folder(id) / "out"
        files: dict[str, JobFile] = {}
        if job.kind == "batch":
            from gesso.serving.jobs.handlers import items_of
            from gesso.verbs.batch import SHEET, named

            items = items_of(spec, self.config.folder(id))
            names = named([(item.name, item.path) for item in items], spec["format"])
            files = {str(n): JobFile(out / item.target, name.target) for n, (item, name) in enumerate(zip(items, names, strict=True))}
            manifests = {
                key: JobFile(one.path.with_suffix(".c2pa"), str(Path(one.name).with_suffix(".c2pa"))) for key, one in files.items()
            }
            files |= {f"{key}-manifest": one for key, one in manifests.items()}
            sheets = sorted(out.glob(f"{SHEET}*.png"), key=lambda path: (len(path.name), path.name))
            files |= {"sheet" if n == 0 else f"sheet-{n + 1}": JobFile(path, path.name) for n, path in enumerate(sheets)}
        elif job.kind == "film":
            ending = spec["format"]
            files = {"film": JobFile(out / f"film.{ending}", f"{Path(spec['names'][0]).stem}-{spec['recipe']}.{ending}")}
        else:
            files = {name.partition(".")[0]: JobFile(out / name, name) for name in MADE[job.kind]}
        return {key: one for key, one in files.items() if one.path.is_file()}

    def source(self, owner: str, id: str) -> JobFile | None:
        """The film that a film's job was given, to be played beside what it makes."""
        if self.store.get(owner, id).kind != "film":
            return None
        path = film_in(self.config.folder(id))
        return JobFile(path, self.store.spec_summary(id)["names"][0])

    def zip_stream(self, owner: str, id: str) -> Iterator[bytes]:
        """All files as a zip, in pieces, uncompressed as pictures are compressed already."""
        import zipfile

        files, sink = self.files(owner, id), _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for one in files.values():
                with contextlib.suppress(OSError):  # deleted meanwhile
                    archive.write(one.path, one.name)
                yield sink.take()
        yield sink.take()


class _Sink(io.RawIOBase):
    """A write-only file whose new contents are taken out after each write."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        written, self._written = bytes(self._written), bytearray()
        return written


def _make_scheduler(settings: Settings, store: JobStore, config: WorkerConfig) -> JobScheduler | None:
    if settings.jobs == "off":
        return None
    if settings.jobs == "here":
        return JobScheduler(store, config, at_once=settings.jobs_at_once)
    from gesso.serving.jobs.ray_cluster import RayCluster

    cluster = RayCluster()
    return JobScheduler(store, config, cluster.start, settings.jobs_at_once, cluster.join, cluster.close)
