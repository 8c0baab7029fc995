"""The schedules of the UI. They are stopped until somebody starts them there."""

import dagster as dg

from orchestration.jobs import CHECK_SOURCES, SURVEY_AVAILABILITY, maintain_lake


def schedules() -> list[dg.ScheduleDefinition]:
    """The schedules, in UTC."""
    return [
        dg.ScheduleDefinition(
            name="weekly_source_check",
            job=CHECK_SOURCES,
            cron_schedule="0 3 * * 1",
            execution_timezone="UTC",
            description="Check the sources of articles, videos and transactions every Monday.",
        ),
        dg.ScheduleDefinition(
            name="daily_collect",
            job_name="collect",
            cron_schedule="0 4 * * *",
            execution_timezone="UTC",
            description="Search, fetch captions, and repeat requests that are due, every night.",
        ),
        dg.ScheduleDefinition(
            name="monthly_availability",
            job=SURVEY_AVAILABILITY,
            cron_schedule="0 5 1 * *",
            execution_timezone="UTC",
            description="Probe a random sample of the videos on the first day of every month.",
        ),
        dg.ScheduleDefinition(
            name="weekly_maintenance",
            job=maintain_lake,
            cron_schedule="0 2 * * 0",
            execution_timezone="UTC",
            description="Delete what was replaced more than HOWTO_RETENTION_DAYS ago, every Sunday.",
        ),
    ]
